"""Types of command-line options that several commands have: a value that is not empty, the full name of a ref."""

import argparse

from gitsign_py.core.git.refname import is_full_ref_name
from gitsign_py.errors import UsageError


def given(text: str) -> str:
    """The value of an option, which must not be empty: a variable that is not set would ask for nothing at all."""
    if not text:
        raise argparse.ArgumentTypeError("must not be empty; leave the option out to go without")
    return text


def full_ref(text: str) -> str:
    """The value of ``--ref``. Raises UsageError ``ref-name``."""
    if not is_full_ref_name(text):
        raise UsageError("ref-name", f"{text!r} is not a full ref name such as refs/heads/main")
    return text
