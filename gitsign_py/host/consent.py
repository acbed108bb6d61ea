"""Consent before publication: a certificate names a person in a public log for ever, so that person is asked first.

Questions, each answered once and remembered in the user's state directory (a file of mode 0600 without secrets):
does the person know what becomes public (``announce``), and may this identity sign for that committer (``allow``)?
gitsign.matchCommitter: ``ask`` (default) asks where they differ, ``true`` refuses, ``false`` never asks.

And before all that: may what a repository's own configuration names (a service, a file for it, a program) take part in
a sign-in? The maker of the repository chose it, and what it gets is the person's identity.
"""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import urlsplit

from gitsign_py.core.encoding import load_json
from gitsign_py.core.frozen import frozen
from gitsign_py.errors import FormatError, PolicyError
from gitsign_py.host.privatefile import read_whole, write_whole

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
FILE_NAME = "consent.json"
_MAX_BYTES = 1 << 20
MatchCommitter = Literal["ask", "true", "false"]
Decision = Literal["go", "ask", "refuse"]


class Dialogue(Protocol):
    """The person at the terminal (cli fills it with host.terminal)."""

    @property
    def interactive(self) -> bool:
        """Whether a person can answer."""
        ...

    def show(self, text: str) -> None:
        """Show one line or more."""
        ...

    def confirm(self, question: str) -> bool:
        """Ask a yes-or-no question; no is the default, and the answer of nobody."""
        ...

    def prompt(self, text: str) -> str:
        """Ask for one line of text; empty when nobody answers."""
        ...


@frozen
class Publication:
    """The data that would become public: ``identity`` of ``kind`` (email, uri), in the log of ``instance`` (Fulcio's
    URL).
    """

    identity: str
    kind: str
    instance: str
    committer_name: str
    committer_email: str


@frozen
class Named:
    """Something that a repository's own configuration names: ``key`` is the setting, ``place`` where it stands."""

    key: str
    value: str
    place: str


@frozen
class ConsentBook:
    """The remembered answers, in ``path``. A file that cannot be read counts as no answers; it is written anew."""

    path: Path

    def announced(self, publication: Publication) -> bool:
        """Say whether the person was told that this identity becomes public there."""
        return [publication.instance, publication.identity] in self._read()["announced"]

    def allowed(self, publication: Publication) -> bool:
        """Say whether the person allowed this identity for this committer there."""
        return _pair(publication) in self._read()["allowed"]

    def remember_announced(self, publication: Publication) -> None:
        """Remember that the person was told."""
        self._add("announced", [publication.instance, publication.identity])

    def remember_allowed(self, publication: Publication) -> None:
        """Remember that the person said yes."""
        self._add("allowed", _pair(publication))

    def unconfirmed(self, named: Sequence[Named]) -> tuple[Named, ...]:
        """The services that the person has not yet agreed to, each once."""
        known = self._read()["named"] if named else []
        return tuple(one for one in dict.fromkeys(named) if [one.key, one.value] not in known)

    def remember_named(self, one: Named) -> None:
        """Remember that the person said yes, for every repository."""
        self._add("named", [one.key, one.value])

    def _read(self) -> dict[str, list[object]]:
        empty: dict[str, list[object]] = {"announced": [], "allowed": [], "named": []}
        try:
            value = load_json(read_whole(self.path), max_bytes=_MAX_BYTES)
        except (OSError, FormatError):
            return empty
        if not isinstance(value, dict):
            return empty
        return {name: value[name] if isinstance(value.get(name), list) else [] for name in empty}

    def _add(self, name: str, item: list[str]) -> None:
        """Add one answer; a directory that cannot be written to only means that the question comes again."""
        answers = self._read()
        if item in answers[name]:
            return
        answers[name].append(item)
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(self.path, json.dumps(answers, indent=1).encode())


def _pair(publication: Publication) -> list[str]:
    return [publication.instance, publication.identity, publication.committer_email]


def matches_committer(publication: Publication) -> bool:
    """Compare as the Go client does: an e-mail address with the committer's, a URI with the committer's name."""
    if publication.kind == "email":
        return publication.identity == publication.committer_email
    return publication.identity == publication.committer_name


def decide(publication: Publication, mode: MatchCommitter, book: ConsentBook) -> Decision:
    """Say what has to happen before this identity signs for this committer; touches nothing.

    A workload's URI is never a committer's address, so ``ask`` does not ask about it (``true`` still refuses).
    """
    if mode == "false" or matches_committer(publication):
        return "go"
    if mode == "true":
        return "refuse"
    return "go" if publication.kind != "email" or book.allowed(publication) else "ask"


def require_consent(publication: Publication, mode: MatchCommitter, book: ConsentBook, dialogue: Dialogue) -> None:
    """Tell the person once what becomes public and ask where the rules above say so; returns only with a yes.

    Raises PolicyError ``committer-mismatch`` (mode true), ``consent-needed`` (nobody to ask), ``consent-refused``.
    """
    decision = decide(publication, mode, book)
    if decision == "refuse":
        raise mismatch(publication)
    if decision == "ask":
        _ask(publication, book, dialogue)
    elif not book.announced(publication):
        dialogue.show(
            f"{publication.identity} will stand in {_log(publication)} (certificates of {publication.instance})."
        )
    book.remember_announced(publication)


def _log(publication: Publication) -> str:
    """The fate of the data: a Sigstore on this machine publishes nothing, and can be thrown away."""
    on_this_machine = (urlsplit(publication.instance).hostname or "") in _LOOPBACK
    return "the log of the Sigstore on this machine" if on_this_machine else "a public log for ever"


def mismatch(publication: Publication) -> PolicyError:
    """Make the error for gitsign.matchCommitter = true."""
    return PolicyError(
        "committer-mismatch",
        f"signing as {publication.identity}, but the committer is {_committer(publication)}",
        hint="sign in as the committer, set user.email, or set gitsign.matchCommitter to ask or false",
        facts={"identity": publication.identity, "committer": publication.committer_email},
    )


def _ask(publication: Publication, book: ConsentBook, dialogue: Dialogue) -> None:
    if not dialogue.interactive:
        raise PolicyError(
            "consent-needed",
            f"signing would put {publication.identity} into {_log(publication)}, and the committer is "
            f"{_committer(publication)}",
            hint="allow it once in a terminal, or set gitsign.matchCommitter to false",
            facts={"identity": publication.identity, "committer": publication.committer_email},
        )
    question = (
        f"You are signed in as {publication.identity}; the committer is {_committer(publication)}.\n"
        f"Signing puts {publication.identity} into {_log(publication)}, beside this commit.\n"
        "Sign with it, now and from now on?"
    )
    if not dialogue.confirm(question):
        raise PolicyError(
            "consent-refused",
            f"nothing was signed: {publication.identity} is not to be published",
            hint="sign in with another address (gitsign-py login), or set user.email",
        )
    book.remember_allowed(publication)


def require_named(named: Sequence[Named], book: ConsentBook, dialogue: Dialogue) -> None:
    """Ask once about everything that a repository's own configuration names; returns only with a yes.

    Raises PolicyError ``service-unconfirmed`` (nobody to ask), ``service-refused``.
    """
    fresh = book.unconfirmed(named)
    if not fresh:
        return
    listed = ", ".join(f"{one.key} = {one.value}" for one in fresh)
    if not dialogue.interactive:
        raise PolicyError(
            "service-unconfirmed",
            f"this repository's own configuration ({fresh[0].place}) says where your identity goes: {listed}",
            hint=f"agree once in a terminal, or say so yourself: git config --global {fresh[0].key} VALUE",
            facts={"key": fresh[0].key, "value": fresh[0].value, "source": fresh[0].place},
        )
    question = (
        f"This repository's own configuration ({fresh[0].place}) says where your identity goes:\n"
        + "".join(f"  {one.key} = {one.value}\n" for one in fresh)
        + "Whoever made the repository may have written that. Use it, now and from now on?"
    )
    if not dialogue.confirm(question):
        raise PolicyError(
            "service-refused",
            f"nothing was sent: what this repository's configuration names is not to be used: {listed}",
            hint=f"see it with git config --show-origin --get-all {fresh[0].key}",
        )
    for one in fresh:
        book.remember_named(one)


def _committer(publication: Publication) -> str:
    return publication.committer_email or publication.committer_name or "nobody (no e-mail address)"
