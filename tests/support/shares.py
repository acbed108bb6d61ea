"""A share of the tests of the tier process, file by file: what one run on a further Python has time for.

GITSIGN_TEST_PROCESS_SHARE=2/3 takes the second of three shares. A file is in the same share in each run, and each file
is in one of them. Tests of other tiers are in all of them.
"""

from pathlib import Path
from zlib import crc32

import pytest


def is_in_share(path: Path, share: str) -> bool:
    """Whether the tests of this file that start processes belong to the share, ``2/3`` say."""
    number, _, count = share.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise pytest.UsageError(f"GITSIGN_TEST_PROCESS_SHARE: {share} is no share; expected 1/3, 2/3 or 3/3, say")
    return crc32("/".join(path.parts[-2:]).encode()) % int(count) == int(number) - 1


def keep_share(config: pytest.Config, items: list[pytest.Item], share: str) -> None:
    """Deselect the tests of the tier process that are in another share."""
    others = [item for item in items if item.get_closest_marker("process") and not is_in_share(item.path, share)]
    if others:
        config.hook.pytest_deselected(items=others)
        left_out = set(others)
        items[:] = [item for item in items if item not in left_out]
