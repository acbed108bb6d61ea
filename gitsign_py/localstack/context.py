"""The things that every local service is given: where it lives, its state and keys, the time, randomness, and the
fault hook.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gitsign_py.localstack.keyfiles import PrivateKey
from gitsign_py.localstack.keyring import Keyring, new_key
from gitsign_py.localstack.service import Request, Response
from gitsign_py.localstack.state import State


class Hook:
    """The one place where faults enter. This one changes nothing; a subclass overrides what it breaks."""

    @property
    def calm(self) -> bool:
        """Whether it does nothing now, so that requests may share a thread; one that is not known may wait."""
        return type(self) is Hook

    def now(self, service: str, now: datetime) -> datetime:  # noqa: ARG002 - the honest answer ignores who asks
        """The time that ``service`` believes, given the real one."""
        return now

    def before(self, service: str, request: Request) -> Response | None:  # noqa: ARG002
        """An answer in place of the service's own, or None; it may wait (it runs in a worker thread)."""
        return None

    def after(self, service: str, request: Request, response: Response) -> Response:  # noqa: ARG002
        """The answer that is sent, given the service's own."""
        return response

    def setting(self, name: str) -> str | None:  # noqa: ARG002
        """The value of fault ``name`` when it is on (perhaps empty), else None. Services ask where they can lie."""
        return None


def system_clock() -> datetime:
    """The time of this machine, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Sources:
    """What a stack is made with: its clock, its randomness (that many bytes), its way to make a key of a kind.

    ``clock_is_right`` lets it start with a clock that is behind what it was before.
    """

    clock: Callable[[], datetime] = system_clock
    random: Callable[[int], bytes] = secrets.token_bytes
    make_key: Callable[[str], PrivateKey] = new_key
    clock_is_right: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """``url`` has no slash at its end; ``random`` gives that many bytes."""

    url: str
    state: State
    keyring: Keyring
    clock: Callable[[], datetime] = system_clock
    random: Callable[[int], bytes] = secrets.token_bytes
    hook: Hook = field(default_factory=Hook)

    def now(self, service: str) -> datetime:
        """The time as ``service`` sees it, faults included. Raises as the clock does (``ClockGuard``)."""
        return self.hook.now(service, self.clock())
