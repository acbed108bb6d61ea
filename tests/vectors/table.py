"""Write docs/refused.md from the vectors: ``python -m tests.vectors.table``."""

from collections.abc import Iterator
from pathlib import Path

from gitsign_py.verification import TITLES
from tests.vectors.case import Case
from tests.vectors.generate import CASES, HERE

PAGE = HERE.parents[1] / "docs" / "refused.md"
_HEAD = """# What is refused

Every case that the verifier refuses by design, with the number of the step that fails
([verification.md](verification.md)), the reason code, and the vector that shows it: a folder in
[`tests/vectors`](../tests/vectors) with the stored bytes of the object, the trust root, and what must come out. The
reason codes do not change between versions.

Each vector is judged three times and must fare the same: by the library (`verification.verify_signature`), by
`gitsign-py verify`, and by `git verify-commit` or `git verify-tag`. The
vectors are forged in process by [`tests/support/forge.py`](../tests/support/forge.py); `python -m
tests.vectors.generate` writes them anew, the same bytes each time. This page is written by `python -m
tests.vectors.table` and a test holds it equal to them.

One difference cannot be removed: a header whose name merely starts with `gpgsig` is left out of the payload by git
itself, so git's own commands cannot see it (`gpgsig-unknown-kind`); `gitsign-py verify` reads the stored bytes and
refuses it.

Exit status 1, if not said otherwise; "exit 3" means that it could not be checked.
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
    head = ["## What is accepted\n", "The same forge with nothing wrong, and what lies just inside a bound.\n"]
    return "\n".join([*head, "| case | vector |", "|---|---|", *lines, ""])


if __name__ == "__main__":
    Path(PAGE).write_text(page())
