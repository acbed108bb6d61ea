"""Go's gitsign, where it is installed: its programs, and why there is nothing to compare with where it is not."""

import shutil
from dataclasses import dataclass
from pathlib import Path

PROGRAM, CACHE = "gitsign", "gitsign-credential-cache"


@dataclass(frozen=True)
class Peer:
    """The peer's programs; empty where they are not there."""

    program: str = ""
    cache: str = ""

    @property
    def why(self) -> str:
        """The reason of an empty column."""
        return "" if self.program else f"{PROGRAM} is not on PATH (or name it: --peer PROGRAM)"

    @property
    def why_cold(self) -> str:
        """The reason of an empty column where the peer's cache is asked for."""
        return self.why or ("" if self.cache else f"{CACHE} is not beside {PROGRAM}")


def find_peer(named: str = "") -> Peer:
    """Look for the program that is named, else for ``gitsign`` on PATH; its cache lies beside it or on PATH."""
    program = shutil.which(named or PROGRAM) or ""
    if named and not program:
        raise SystemExit(f"{named} is no program")
    if not program:
        return Peer()
    return Peer(program, shutil.which(CACHE, path=str(Path(program).parent)) or shutil.which(CACHE) or "")
