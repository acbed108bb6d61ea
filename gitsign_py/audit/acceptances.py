"""Acceptances of a policy in the history that are kept between runs, with the keys that they rest on.

That a commit is accepted rests on all commits since the introduction. Where OpenPGP or SSH signatures are among them it
holds as long as keyring, revocations and programs are as they were (``resting.py``), like the verdicts on those
signatures themselves: what a key signed counts no more once it is revoked.
"""

from collections.abc import Iterable, Mapping

from gitsign_py.audit.cache import FactsCache
from gitsign_py.audit.foreign import state_of_keys
from gitsign_py.core.digests import sha256
from gitsign_py.host.git.walk import Git

_ACCEPTED = "accepted"


class Acceptances:
    """The acceptances of one run; without a cache none is kept.

    An entry has the forms of foreign signatures that are behind it. With any, a second one under their states counts.
    """

    def __init__(self, cache: FactsCache | None, git: Git) -> None:
        self._cache, self._git = cache, git
        self._states: dict[str, bytes] = {}
        self._behind: dict[str, bytes] = {}

    @property
    def are_kept(self) -> bool:
        """Tell whether there is a cache."""
        return self._cache is not None

    def holds(self, oid: str) -> bool:
        """Tell whether a commit is known to have been accepted, by the keys that there are now."""
        text = (self._cache.get(oid) or "") if self._cache else ""
        accepted, *forms = text.split() or ("",)
        if self._cache is None or accepted != _ACCEPTED:
            return False
        states = {form: self._state(form) for form in forms}
        if states and (not all(states.values()) or self._cache.get(oid, _together(states)) != _ACCEPTED):
            return False
        self._behind |= states
        return True

    def keep(self, oids: Iterable[str], met: Mapping[str, bytes]) -> None:
        """Keep what was accepted. ``met`` are the states by which this run verified foreign signatures.

        Nothing is kept when they cannot all be seen, or are not what they were.
        """
        states = {**self._behind, **met}
        if self._cache is None or any(states[form] != state for form, state in self._behind.items()):
            return
        if not all(states.values()) or any(state_of_keys(self._git, form) != state for form, state in met.items()):
            return
        accepted = tuple(oids)
        if states:
            self._cache.put(((oid, _ACCEPTED) for oid in accepted), _together(states))
        self._cache.put((oid, " ".join((_ACCEPTED, *sorted(states)))) for oid in accepted)

    def _state(self, form: str) -> bytes:
        if form not in self._states:
            self._states[form] = state_of_keys(self._git, form)
        return self._states[form]


def _together(states: Mapping[str, bytes]) -> bytes:
    return sha256(b"".join(form.encode() + b" " + sha256(states[form]).digest() for form in sorted(states))).digest()
