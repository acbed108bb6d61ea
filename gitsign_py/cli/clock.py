"""A clock of this machine that is off: said in words, and told together with the errors that it explains."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from gitsign_py.errors import GitsignError

if TYPE_CHECKING:  # requests costs 100 ms, and not every signature is made here
    from gitsign_py.clients.session import HttpSession

NOTICED = timedelta(seconds=30)
"""From here on a clock is worth a word: a Date header has whole seconds, and an answer may take some."""
_REASONS = frozenset({"token-expired", "token-not-yet-valid", "credential-expired"})
_CAUSES = frozenset({"log-time-in-future", "certificate-expired", "certificate-not-yet-valid"})
_REFUSALS = frozenset({400, 401, 403})


def describe(ahead: timedelta) -> str:
    """Say how far this machine's clock is ahead of the servers' (negative: behind)."""
    seconds = round(abs(ahead).total_seconds())
    amount = f"{seconds} s" if seconds < 180 else f"{round(seconds / 60)} min"
    if seconds >= 3 * 3600:
        amount = f"{round(seconds / 3600)} h" if seconds < 3 * 86400 else f"{round(seconds / 86400)} days"
    return f"this machine's clock is {amount} {'ahead of' if ahead > timedelta(0) else 'behind'} the servers'"


@contextmanager
def clock_told(http: "HttpSession") -> Iterator[None]:
    """Let errors of the block that a wrong clock explains say how far it is off, where a server has just told."""
    try:
        yield
    except GitsignError as error:
        ahead = http.clock_ahead
        if ahead is not None and abs(ahead) > NOTICED and _explained(error):
            error.hint = f"{describe(ahead)}: set it (by NTP)"
        raise


def _explained(error: GitsignError) -> bool:
    if error.reason == "service-status":  # a token that is over by the server's clock alone
        return error.facts.get("service") == "Fulcio" and error.facts.get("status") in _REFUSALS
    return error.reason in _REASONS or error.facts.get("cause") in _CAUSES
