"""State that all processes of the server share. gunicorn.conf.py imports it in the master, before workers are forked."""

import settings as environment
from stats import Stats

settings = environment.load()
stats = Stats(settings)
