"""``stack rotate``: a service gets a new key, the old one's window is closed, the client files say so.

Works on a running stack and on one that is down: keys are rows in the database, which a running server reads anew for
each request. All rows change in one transaction, and the client files follow it, never ahead of the database. A running
server writes them itself before it uses a key that it did not know (``Keyring.publish``), so a client that reads them
finds the new key before anything is signed with it, even when this process is killed between the two.
"""

import sqlite3
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gitsign_py.errors import UsageError
from gitsign_py.localstack import assembly, clientfiles
from gitsign_py.localstack.context import Context
from gitsign_py.localstack.ctlog import log as ctlog
from gitsign_py.localstack.fulcio import ca
from gitsign_py.localstack.fulcio.certificates import LEAF_LIFETIME
from gitsign_py.localstack.idp import issuer as idp
from gitsign_py.localstack.keyring import Keyring, ServerKey
from gitsign_py.localstack.placement import SERVICES
from gitsign_py.localstack.rekor import rekor1, rekor2
from gitsign_py.localstack.service import Refusal
from gitsign_py.localstack.state import State, unusable
from gitsign_py.localstack.tsa import authority as tsa
from gitsign_py.localstack.tuf import tufrepo

_SETTLE = timedelta(seconds=1)
"""A signature of this very second stays inside the window, whose ends are whole seconds."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """``roles`` whose open keys are closed, ``kinds`` of key that may follow (the first by default), how to make it.

    ``grace`` is how long what the old key signed may still be put to use: a certificate lives on for ten minutes.
    """

    roles: tuple[str, ...]
    kinds: tuple[str, ...]
    make: Callable[[assembly.Parts, datetime, str], ServerKey]
    grace: timedelta = _SETTLE


ROTATIONS: Mapping[str, Rotation] = {
    "ca": Rotation(
        (ca.ROOT, ca.INTERMEDIATE),
        ("ecdsa-p384",),
        lambda parts, _now, _kind: parts.fulcio.new_authority(),
        LEAF_LIFETIME,
    ),
    "ctlog": Rotation((ctlog.ROLE,), ("ecdsa-p256",), lambda parts, _now, _kind: parts.ctlog.new_log()),
    "rekor": Rotation((rekor1.ROLE,), ("ecdsa-p256",), lambda parts, _now, _kind: parts.rekor1.new_shard()),
    "rekor2": Rotation(
        (rekor2.ROLE,), ("ed25519", "ecdsa-p256"), lambda parts, _now, kind: parts.rekor2.new_shard(kind)
    ),
    "idp": Rotation((idp.ROLE,), (idp.KEY_KIND,), lambda parts, _now, _kind: parts.issuer.new_key(), LEAF_LIFETIME),
    "tsa-root": Rotation(
        (tsa.ROOT_ROLE, tsa.ROLE),
        ("ecdsa-p256", "ecdsa-p384"),
        lambda parts, now, kind: (parts.tsa.new_root(now), parts.tsa.new_unit(now, kind))[1],
    ),
    "tuf-root": Rotation(
        (tufrepo.ROOT_ROLE, tufrepo.ONLINE_ROLE), ("ecdsa-p256",), lambda parts, _now, _kind: parts.tuf.new_keys()
    ),
    "tsa": Rotation((tsa.ROLE,), ("ecdsa-p256", "ecdsa-p384"), lambda parts, now, kind: parts.tsa.new_unit(now, kind)),
}


def rotate(directory: Path, url: str, what: str, kind: str = "", services: Collection[str] = SERVICES) -> ServerKey:
    """Rotate the key of ``what`` in the stack of ``directory`` that serves ``services`` at ``url``; gives the new key.

    ``kind`` of the new key, empty for the usual one. Raises UsageError ``rotate-key-kind``; ConfigError for a
    directory that is no stack's, and ``stack-database-unusable``.
    """
    state = State(directory)
    try:
        return rotate_in(Context(url, state, Keyring(state)), what, kind, services)
    finally:
        state.close()


def rotate_in(context: Context, what: str, kind: str = "", services: Collection[str] = SERVICES) -> ServerKey:
    """As ``rotate``, over an open context."""
    rotation = ROTATIONS.get(what)
    if rotation is None:
        raise UsageError("rotate-unknown", f"{what} has no key to rotate", hint=f"one of: {', '.join(ROTATIONS)}")
    chosen = kind or rotation.kinds[0]
    if chosen not in rotation.kinds:
        raise UsageError(
            "rotate-key-kind", f"{what} cannot have a key of kind {kind}", hint=f"one of: {', '.join(rotation.kinds)}"
        )
    try:
        return _rotate(context, rotation, chosen, services)
    except (sqlite3.Error, Refusal) as error:
        raise unusable(context.state.directory, error) from error


def _rotate(context: Context, rotation: Rotation, kind: str, services: Collection[str]) -> ServerKey:
    context.keyring.sweep()
    parts = assembly.parts(context)
    with context.state.transaction():
        now = context.clock()
        for role in rotation.roles:
            context.keyring.close(context.keyring.current(role), now + rotation.grace)
        key = rotation.make(parts, now, kind)
    with context.state.transaction():  # another rotation waits, so that the later one's files stay
        clientfiles.write(context.state, assembly.services_of(parts, services))
    return key
