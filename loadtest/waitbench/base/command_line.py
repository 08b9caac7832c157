"""The command lines of the smaller programs; plan/settings.py has the load test's own."""

import argparse
from typing import Mapping, NoReturn


class Parser(argparse.ArgumentParser):
    """Does not repeat an argument that it does not know: that may be the address of a database, with a password."""

    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments"):
            message = "there is an argument that it does not know; --help lists those that there are"
        super().error(message)


def flags(values: Mapping[str, str]) -> list[str]:
    """The words that name these settings: {"N": "1 20"} is --n "1 20"."""
    return [word for name, text in values.items() for word in (f"--{name.lower().replace('_', '-')}", text)]
