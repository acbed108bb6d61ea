"""Lies of a log: another root or history (``wrong-root``, ``fork``), a smaller tree (``stale-checkpoint``), entries
that its tree does not hold (``rewrite``, ``drop-entry``), an earlier time (``backdate``), an entry in a form that
nobody reads (``odd-entry``).

``fork`` gives a log a second tree, other from its first leaf on. Both trees are signed by the same key under the same
origin, which is what makes it an attack: each is sound by itself, and only a consistency proof, or an entry that is in
one of them alone, shows that there are two.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gitsign_py.core.tlog import merkle
from gitsign_py.localstack.context import Context
from gitsign_py.localstack.merklestore import Leaf, Tree

_DIGEST = re.compile(rb'"(?:value|digest)":"')
_LAST_OF_TIME = 9  # MerkleTreeLeaf: version, type, 8 bytes of time (RFC 6962 §3.4)
_OTHER = 1 << 61  # tree ids are 64-bit numbers below 2^63


def stated_root(context: Context, service: str, root: bytes) -> bytes:
    """The root that ``service`` signs: the true one, or another while the fault ``wrong-root`` is on."""
    return root if context.hook.setting(f"{service}:wrong-root") is None else hashlib.sha256(root).digest()


def stated_size(context: Context, service: str, size: int) -> int:
    """The size that ``service`` signs: the true one, or a smaller one while the fault ``stale-checkpoint`` is on."""
    behind = context.hook.setting(f"{service}:stale-checkpoint")
    return size if behind is None else max(0, size - int(behind))


def stated_time(context: Context, service: str) -> datetime:
    """The time that ``service`` gives to a new entry, earlier while the fault ``backdate`` is on."""
    early = context.hook.setting(f"{service}:backdate")
    return context.now(service) - timedelta(seconds=float(early or 0))


def stated_entry(context: Context, service: str, data: bytes) -> bytes:
    """The entry that ``service`` logs: the true one, or one in no form, and larger, while ``odd-entry`` is on."""
    more = context.hook.setting(f"{service}:odd-entry")
    return data if more is None else b"\xff" + data + bytes(int(more))


def served(context: Context, service: str, leaves: Sequence[Leaf], size: int) -> tuple[Leaf, ...]:
    """The leaves that ``service`` gives of these: the faults ``drop-entry`` and ``rewrite`` are about the newest
    one.
    """
    if context.hook.setting(f"{service}:drop-entry") is not None:
        return tuple(leaf for leaf in leaves if leaf.position != size - 1)
    if context.hook.setting(f"{service}:rewrite") is not None:
        return tuple(_rewritten(leaf) if leaf.position == size - 1 else leaf for leaf in leaves)
    return tuple(leaves)


def _rewritten(leaf: Leaf) -> Leaf:
    """Another digest in a body of Rekor, another millisecond in a leaf of a CT log."""
    match = _DIGEST.search(leaf.data)
    at = match.end() if match else _LAST_OF_TIME
    other = (b"b" if leaf.data[at : at + 1] == b"a" else b"a") if match else bytes([leaf.data[at] ^ 1])
    data = leaf.data[:at] + other + leaf.data[at + 1 :]
    return replace(leaf, data=data, leaf_hash=merkle.leaf_hash(data))


def tree_of(context: Context, service: str, tree_id: int) -> Tree:
    """The tree that ``service`` shows: its own, or the other one while the fault is on."""
    own = Tree(context.state, tree_id)
    if context.hook.setting(f"{service}:fork") is None:
        return own
    return _other(context, own)


def _other(context: Context, own: Tree) -> Tree:
    """The other tree, made when it is first asked for: as long as the own one then was, its first leaf replaced."""
    other = Tree(context.state, own.tree_id ^ _OTHER)
    with context.state.transaction():
        if other.size() == 0:
            now_ms = int(context.clock().timestamp() * 1000)
            other.append(b'{"fork":true}', identity=b"fork", extra=b"", time_ms=now_ms)
            for leaf in own.leaves(1, own.size()):
                identity = leaf.leaf_hash + leaf.position.to_bytes(8, "big")  # an entry may be there twice
                other.append(leaf.data, identity=identity, extra=leaf.extra, time_ms=leaf.time_ms)
    return other
