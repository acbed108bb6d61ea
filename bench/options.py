"""Sizes of what is measured: the whole, and a quick one that takes a minute or two."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    quick: bool = False
    rounds: int = 9
    signed: int = 2000
    unsigned: int = 80_000
    mixed: int = 8948
    pushed: int = 2000
    listed: int = 20
    together: int = 50
    curve_commits: tuple[int, ...] = (1000, 10_000, 100_000, 1_000_000)
    curve_refs: tuple[int, ...] = (100, 1000, 10_000, 100_000)


QUICK = Sizes(
    quick=True, rounds=3, signed=100, unsigned=8000, mixed=300, pushed=100, together=10, listed=5,
    curve_commits=(1000, 10_000), curve_refs=(100, 1000),
)  # fmt: skip
