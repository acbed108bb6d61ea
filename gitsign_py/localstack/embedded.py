"""A local Sigstore inside a program, for the tests of other projects: start it, ask it for tokens, break it."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gitsign_py.localstack import clientenv, repeatable
from gitsign_py.localstack.faults import Faults
from gitsign_py.localstack.idp.actions import REQUEST_SECONDS, workflow_claims
from gitsign_py.localstack.idp.issuer import CLIENT_ID, REQUEST_AUDIENCE, Issuer, TokenOrder
from gitsign_py.localstack.rotate import rotate_in
from gitsign_py.localstack.stack import Stack
from gitsign_py.localstack.state import State

TOKEN_SECONDS = 300


class LocalSigstore:
    """A local Sigstore that runs; ``local_sigstore`` starts one."""

    def __init__(self, stack: Stack, faults: Faults) -> None:
        self._stack = stack
        self._faults = faults
        self._issuer = Issuer(stack.context)

    @property
    def url(self) -> str:
        """Where its issuer, Fulcio, Rekor and TUF repository (``URL/tuf``) are; on loopback."""
        return self._stack.url

    @property
    def directory(self) -> Path:
        """Where its client files, keys and entries are."""
        return self._stack.info.directory

    @property
    def trusted_root(self) -> Path:
        """The file with everything that a verifier must trust; a rotation writes it anew."""
        return self._stack.info.trusted_root

    def environment(self) -> dict[str, str]:
        """The variables that ``stack env`` exports: URLs and files, by the names that the Sigstore clients read."""
        return clientenv.environment(self._stack.info)

    def token(
        self,
        email: str = "",
        *,
        subject: str = "",
        audience: str = CLIENT_ID,
        seconds: int = TOKEN_SECONDS,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """Give an identity token for ``email`` or ``subject``.

        ``seconds`` may be negative (an expired token); ``claims`` are added, and override everything else.
        """
        return self._issuer.mint(TokenOrder(email, subject, audience, seconds, claims or {}))

    def actions_environment(self, repository: str, **claims: Any) -> dict[str, str]:
        """Give the variables by which a job of GitHub Actions in ``repository`` (OWNER/NAME) asks for its tokens.

        ``claims`` are added to those of such a job, or override them. Raises UsageError ``repository-name``.
        """
        order = TokenOrder("", "", REQUEST_AUDIENCE, REQUEST_SECONDS, workflow_claims(repository) | claims)
        return clientenv.actions_environment(self.url, self._issuer.mint(order))

    def rotate(self, what: str, kind: str = "") -> None:
        """Give a service (ca, ctlog, rekor, rekor2, tsa, ...) a new key, of ``kind`` or of the usual one.

        Raises UsageError ``rotate-unknown`` or ``rotate-key-kind``.
        """
        context = self._stack.context
        state = State(context.state.directory)  # as another process does it: the server sees the whole of it at once
        try:
            rotate_in(replace(context, state=state, keyring=context.keyring.over(state)), what, kind)
        finally:
            state.close()

    @contextmanager
    def fault(self, *faults: str) -> Iterator[None]:
        """Let it misbehave within a ``with`` block: ``"rekor:5xx=2"``, ``"no-sct"`` (the list of ``stack up``).

        They come on top of those that are there already. Raises UsageError ``fault-...``.
        """
        before = [str(fault) for fault in self._faults.active]
        self._faults.set([*before, *faults])
        try:
            yield
        finally:
            self._faults.set(before)


@contextmanager
def local_sigstore(
    directory: Path | None = None, *, faults: Sequence[str] = (), seed: str = "", time: str = "", port: int = 0
) -> Iterator[LocalSigstore]:
    """Run a local Sigstore in a thread of this process, within a ``with`` block, on loopback.

    ``directory`` keeps its keys and entries; without one they are gone at the end. ``faults`` as in
    ``LocalSigstore.fault``. A ``seed`` makes keys, serial numbers and times the same each time: ``time`` (RFC 3339) is
    then the time of every answer. The ``port``, 0 for any free one, is in its URL, which certificates name. Raises
    ConfigError ``stack-...``.
    """
    with tempfile.TemporaryDirectory(prefix="gitsign-py-sigstore-") as scratch:
        place = directory or Path(scratch, "stack")
        hook = Faults(faults)
        with Stack(place, port, hook=hook, sources=repeatable.sources(place, seed, time)) as stack:
            yield LocalSigstore(stack, hook)
