"""Lies that a log signs: another root (the fault ``wrong-root``), another history (the fault ``fork``).

``fork`` gives a log a second tree, other from its first leaf on. Both trees are signed by the same key under the same
origin, which is what makes it an attack: each is sound by itself, and only a consistency proof, or an entry that is in
one of them alone, shows that there are two.
"""

import hashlib

from gitsign_py.localstack.context import Context
from gitsign_py.localstack.merklestore import Tree

_OTHER = 1 << 61  # tree ids are 64-bit numbers below 2^63


def stated_root(context: Context, service: str, root: bytes) -> bytes:
    """The root that ``service`` signs: the true one, or another while the fault ``wrong-root`` is on."""
    return root if context.hook.setting(f"{service}:wrong-root") is None else hashlib.sha256(root).digest()


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
