"""The pictures of a run: each module says for one subject which there are, and draws them with matplotlib."""

import logging

# Its words about its cache of fonts, on the first run on a machine or in a container, concern nobody.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
