"""Findings for machines: a Prometheus text file, SARIF 2.1.0, NDJSON, and one JSON on a command's stdin."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gitsign_py import __version__
from gitsign_py.errors import ConfigError
from gitsign_py.host.privatefile import open_private, write_whole
from gitsign_py.monitor.findings import KINDS, Finding
from gitsign_py.monitor.state import Kept

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
EXEC_SECONDS = 60.0
_RULES = list(KINDS)
_MOST_LINE = 1 << 20
_BEGIN = b'{"facts": {'  # of each line of a journal, whose keys are sorted


def prometheus(trees: Sequence[Kept], findings: Sequence[Finding], *, at: int, unchecked: int) -> str:
    """The text format of Prometheus (prometheus.io/docs/instrumenting/exposition_formats), for a textfile collector."""
    lines: list[str] = []
    gauges: tuple[tuple[str, str, Callable[[Kept], int]], ...] = (
        ("gitsign_monitor_tree_size", "Entries of the tree whose head was proven last.", lambda one: one.size),
        ("gitsign_monitor_entries_read", "Entries that were read.", lambda one: one.read),
        ("gitsign_monitor_grown_timestamp_seconds", "When the tree was last seen to grow.", lambda one: one.grown_at),
    )
    for name, text, value in gauges:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
        lines += [f'{name}{{tree="{_label(one.tree)}",url="{_label(one.url)}"}} {value(one)}' for one in trees]
    counted = Counter(one.kind for one in findings)
    lines += ["# HELP gitsign_monitor_findings Findings that are kept.", "# TYPE gitsign_monitor_findings gauge"]
    lines += [
        f'gitsign_monitor_findings{{kind="{kind}",severity="{severity}"}} {counted[kind]}'
        for kind, (severity, _) in KINDS.items()
    ]
    for name, text, number in (
        ("gitsign_monitor_run_timestamp_seconds", "When the monitor last ran.", at),
        ("gitsign_monitor_unchecked_logs", "Logs that the last run could not check.", unchecked),
    ):
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge", f"{name} {number}"]
    return "\n".join([*lines, ""])


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def sarif(findings: Sequence[Finding]) -> str:
    """SARIF 2.1.0 with a result for each finding."""
    rules = [{"id": f"gitsign/{kind}", "shortDescription": {"text": text}} for kind, (_, text) in KINDS.items()]
    driver = {
        "name": "gitsign-py",
        "version": __version__,
        "informationUri": "https://gitsign-py.invalid",
        "rules": rules,
    }
    run = {"tool": {"driver": driver}, "results": [_result(one) for one in findings]}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _result(finding: Finding) -> dict[str, Any]:
    return {
        "ruleId": f"gitsign/{finding.kind}",
        "ruleIndex": _RULES.index(finding.kind),
        "level": "error" if finding.severity == "alarm" else "warning",
        "message": {"text": finding.line()},
        "locations": [{"logicalLocations": [{"fullyQualifiedName": f"{finding.tree}#{finding.subject}"}]}],
        "partialFingerprints": {"finding/v1": finding.id},
        "properties": dict(finding.facts),
    }


class Journal:
    """An NDJSON file in which each finding stands once, whatever kills the monitor between writing and noting it.

    Lines carry the finding's number. After a kill the last whole line says what is there; half a line is cut off. A
    state that was made anew counts anew: a number stands for its finding's id alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, numbered: Sequence[tuple[int, Finding]]) -> None:
        """Write the findings that are not there yet, through to the disk. Raises ConfigError ``output-unwritable``."""
        try:
            descriptor = open_private(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            with os.fdopen(descriptor, "r+b") as file:
                last = _cut(file)
                there = last[0] if last in {(number, one.id) for number, one in numbered} else 0
                rows = ({"number": number, **one.to_json()} for number, one in numbered if number > there)
                file.write(b"".join(json.dumps(row, sort_keys=True).encode() + b"\n" for row in rows))
                file.flush()
                os.fsync(file.fileno())
        except (OSError, ValueError) as error:
            raise ConfigError(
                "output-unwritable", f"cannot write to {self._path}: {error}", hint="name another file (--ndjson)"
            ) from error


def _cut(file: Any) -> tuple[int, str]:
    """Put the file's end after its last whole line; number and id in that line, 0 for none.

    Raises ValueError for a file of something else, which is left as it is.
    """
    size = file.seek(0, os.SEEK_END)
    tail, at = b"", size
    while at and tail.count(b"\n") < 2:  # the line before the last end of line
        if len(tail) > _MOST_LINE:
            raise ValueError("its last line is too long for a finding")
        step = min(at, 65536)
        at -= step
        file.seek(at)
        tail = file.read(step) + tail
    whole = tail[: tail.rfind(b"\n") + 1]
    half, line = tail[len(whole) :], whole[:-1].rpartition(b"\n")[2]
    found = json.loads(line) if line else {"number": 0, "id": ""}
    if (
        half[: len(_BEGIN)] != _BEGIN[: len(half)]
        or not isinstance(found, dict)
        or type(found.get("number")) is not int
    ):
        raise ValueError("it holds something else than findings")
    file.truncate(at + len(whole))
    file.seek(at + len(whole))
    return found["number"], str(found.get("id"))


def notify(command: str, finding: Finding) -> None:
    """Run a command of the user's with the finding as JSON on stdin. Raises ConfigError ``monitor-exec-failed``."""
    data = json.dumps(finding.to_json()).encode() + b"\n"
    try:
        with subprocess.Popen(command, shell=True, stdin=subprocess.PIPE, process_group=0) as process:  # noqa: S602 - the user's own command line
            try:
                process.communicate(data, timeout=EXEC_SECONDS)
            except BaseException:
                _end(process)
                raise
    except subprocess.TimeoutExpired as error:
        raise _failed(f"it did not end within {EXEC_SECONDS:.0f} s") from error
    except OSError as error:
        raise _failed(str(error)) from error
    if process.returncode:
        raise _failed(f"it ended with status {process.returncode}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the shell and what it started: that would hang on, one more with each try."""
    with suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _failed(why: str) -> ConfigError:
    return ConfigError(
        "monitor-exec-failed",
        f"the command of --exec failed: {why}",
        hint="the finding is kept, and the next run tells it again",
    )


def write_text(path: Path, text: str) -> None:
    """Write a whole file in one step. Raises ConfigError ``output-unwritable``."""
    try:
        write_whole(path, text.encode(), 0o644)
    except OSError as error:
        raise ConfigError("output-unwritable", f"cannot write to {path}: {error.strerror}") from error
