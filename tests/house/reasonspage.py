"""Write docs/reasons.md anew: ``python -m tests.house.reasonspage``.

Codes, steps and words are written by hand; the exit statuses, and which codes leave a signature unchecked, come from
the source and from the verifier's table. A test holds the page equal to what this makes of it.
"""

import re
from collections import defaultdict
from collections.abc import Iterator

from gitsign_py.verification.verdict import LACKING
from tests.house.reasons import raised
from tests.support.source import PACKAGE

PAGE = PACKAGE.parent / "docs" / "reasons.md"
STATUS = {"UsageError": 2, "ConfigError": 2, "UncheckedError": 3, "ServiceError": 3, "OAuthError": 3}
ELSEWHERE = {"internal-error": 70, "agent-failed": 3}
"""Codes that are printed, or made from an agent's answer, without a class of their own in the source."""
_ROW = re.compile(r"\| `([^`]+)` \| [0-9, ]+ \|")
_START, _END = "<!-- made by tests/house/reasonspage.py -->\n", "<!-- until here -->\n"
_WORDS = """
A signature is **bad** (BADSIG, exit status 1) when it shows by itself that it is wrong. It is **unchecked** (ERRSIG,
exit status 3) when this verifier lacks something, and then it is accepted nowhere. The codes of the steps of
verification that leave a signature unchecked:
"""


def statuses(code: str) -> list[int]:
    """Give the exit statuses that a code can have."""
    if code in LACKING:
        return [3]
    kinds = raised().get(code)
    return [ELSEWHERE[code]] if kinds is None else sorted({STATUS.get(kind, 1) for kind in kinds})


def page(text: str) -> str:
    """Give the page with what is made, from one with old or no values in its place."""
    before, rest = text.split(_START)
    after = rest.split(_END)[1]
    lines = (_row(line) for line in (before + _START + _made() + _END + after).split("\n"))
    return "\n".join(lines)


def _row(line: str) -> str:
    match = _ROW.match(line)
    if match is None or not (match[1] in raised() or match[1] in ELSEWHERE):
        return line
    return f"| `{match[1]}` | {', '.join(map(str, statuses(match[1])))} |" + line[match.end() :]


def _made() -> str:
    return "\n".join([_WORDS, "| the verifier lacks | codes |", "|---|---|", *_lacking(), "", ""])


def _lacking() -> Iterator[str]:
    codes: dict[str, list[str]] = defaultdict(list)
    for code, what in LACKING.items():
        codes[what].append(f"`{code}`")
    for what, found in codes.items():
        yield f"| {what} | {', '.join(found)} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
