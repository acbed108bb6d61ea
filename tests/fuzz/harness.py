"""What the fuzz targets share: ``python tests/fuzz/fuzz_cms.py -max_total_time=60 tests/fuzz/corpus/fuzz_cms``.

Nothing but GitsignError may come out of the code under test; anything else is a finding. atheris is needed to fuzz, not
to run the corpus as a regression test (test_corpus.py).
"""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any

from gitsign_py.errors import GitsignError

Target = Callable[[bytes], object]
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def instrumented() -> AbstractContextManager[Any]:
    """Imports inside are watched for coverage when atheris is there and a target is run as a program."""
    if not sys.argv[0].endswith(".py") or "/fuzz_" not in sys.argv[0]:
        return nullcontext()
    import atheris  # noqa: PLC0415 - fuzzing alone needs it

    watched: AbstractContextManager[Any] = atheris.instrument_imports(include=["gitsign_py"])
    return watched


def all_of(*targets: Target) -> Target:
    """Give the same bytes to each; every one may refuse them."""

    def one_input(data: bytes) -> None:
        for target in targets:
            try:
                target(data)
            except GitsignError:
                continue

    return one_input


def run(target: Target) -> None:
    """Fuzz ``target`` with libFuzzer's command line."""
    import atheris  # noqa: PLC0415 - fuzzing alone needs it

    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
