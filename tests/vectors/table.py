"""Write docs/refused.md from the vectors: ``python -m tests.vectors.table``."""

from collections.abc import Iterator
from pathlib import Path

from gitsign_py.verification import TITLES
from tests.vectors.case import Case
from tests.vectors.generate import CASES, HERE

PAGE = HERE.parents[1] / "docs" / "refused.md"
_HEAD = """# Refusals

This page lists every case that the verifier refuses by design: the failing step ([verification](verification.md)), the
reason code, which does not change between versions, and the vector. Write the vectors and this page anew, with the same
bytes each time:

<!-- not run: needs a clone; tests/verification/test_refused.py compares vectors and page -->
```sh
python -m tests.vectors.generate
python -m tests.vectors.table
```

A vector is a folder in [`tests/vectors`](../tests/vectors) with the stored bytes of the object, the trust root, and
the expected result. [`tests/support/forge.py`](../tests/support/forge.py) forges them in process. The tests judge each
vector three times, with the same result: by the library (`verification.verify_signature`), by `gitsign-py verify`, and
by `git verify-commit` or `git verify-tag`.

One difference remains. git itself leaves a header out of the payload if its name merely starts with `gpgsig`. So git's
own commands cannot see it (`gpgsig-unknown-kind`). `gitsign-py verify` reads the stored bytes and refuses it.

The exit status is 1, except for the cases with "exit 3", which the program could not check.
"""
_OBJECT = "the object's form"
_SUITES = HERE / "suites.md"  # what no vector can show: where public suites and this program differ


def page() -> str:
    """The whole text."""
    return "\n".join([_HEAD, *_sections(), _accepted(), _SUITES.read_text(encoding="utf-8")])


def _sections() -> Iterator[str]:
    for step in ("0", *TITLES):
        cases = sorted((case for case in CASES if case.reason and case.step == step), key=lambda case: case.reason)
        if cases:
            title = TITLES.get(step, _OBJECT)
            lines = [f"| {_plain(case)} | `{case.reason}` | `{case.folder}` |" for case in cases]
            yield "\n".join([f"## {step} {title}\n", "| case | reason | vector |", "|---|---|---|", *lines, ""])


def _plain(case: Case) -> str:
    return case.title + (" (exit 3)" if case.status == 3 else "")


def _accepted() -> str:
    lines = [f"| {case.title} | `{case.folder}` |" for case in CASES if not case.reason]
    head = ["## Accepted cases\n", "The same forge with nothing wrong, and what lies just inside a bound.\n"]
    return "\n".join([*head, "| case | vector |", "|---|---|", *lines, ""])


if __name__ == "__main__":
    Path(PAGE).write_text(page())
