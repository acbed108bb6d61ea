"""Coverage in what the warm server forks (tests/support/warmserver.py), for 5 ms a process instead of 80.

Coverage would set itself up anew in each fork, and write a database with all that has run there. Here a fork goes on
with what the server has set up, and at its end leaves those arcs in a small file that the server has not heard of yet.
The server keeps them all in mind, and writes one database at its own end.
"""

import marshal
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from coverage import Coverage, CoverageData

Arcs = Mapping[str, Collection[tuple[int, int]]]


class Measured:
    """What the server's forks have run: file by file, from which line to which."""

    def __init__(self, coverage: Coverage, folder: Path) -> None:
        """Save what the imports have run, and measure nothing more in the server itself."""
        coverage.stop()
        coverage.save()
        os.environ.pop("COVERAGE_PROCESS_CONFIG", None)  # by which each fork would be set up anew
        self.coverage, self.folder, self.known = coverage, folder, dict[str, set[tuple[int, int]]]()
        self.pid = 0
        collector = coverage._collector
        assert collector is not None
        self.collector = collector
        self.collector.covdata = self  # type: ignore[assignment]  # which flush_data fills
        self.coverage.save = self.save  # type: ignore[method-assign]  # at SIGTERM, and before os._exit

    def begin(self) -> None:
        """Measure from now on, in a fork."""
        self.pid = os.getpid()
        self.collector.start()
        self.coverage._started = True
        Coverage._instances.append(self.coverage)  # so that a fork of this one is set up anew, and not as this one

    def save(self) -> None:
        """Leave what is new in a file, unless this is the fork of a fork, which coverage itself measures."""
        if os.getpid() == self.pid:
            self.collector.flush_data()

    def add_arcs(self, arcs: Arcs) -> None:
        """What coverage calls to store arcs."""
        new = {name: [arc for arc in found if arc not in self.known.get(name, ())] for name, found in arcs.items()}
        if any(new.values()):
            with suppress(OSError):  # as on a disk that is full
                self._file(self.pid).write_bytes(marshal.dumps({name: found for name, found in new.items() if found}))

    def add_file_tracers(self, tracers: Mapping[str, str]) -> None:
        """What coverage calls to store which plugin read a file: there is none."""

    def take(self, pid: int) -> None:
        """Read, in the server, what a fork has left, if it left anything whole."""
        file = self._file(pid)
        with suppress(FileNotFoundError, EOFError, ValueError, TypeError):
            for name, found in marshal.loads(file.read_bytes()).items():
                self.known.setdefault(name, set()).update(found)
        file.unlink(missing_ok=True)

    def write(self) -> None:
        """Write the database, when the server ends: with the files of those, too, whose end it has not waited for."""
        for file in self.folder.glob("arcs.*"):
            self.take(int(file.suffix[1:]))
        data = CoverageData(basename=self.coverage.config.data_file, suffix=True)
        data.add_arcs(self.known)
        data.write()

    def _file(self, pid: int) -> Path:
        return self.folder / f"arcs.{pid}"
