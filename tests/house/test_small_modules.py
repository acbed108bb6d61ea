"""A small module that only one other imports stands alone for a reason, or goes back into that one."""

import ast
from collections import defaultdict
from pathlib import Path

from tests.house.test_imports import imported
from tests.support.source import PACKAGE, modules, nodes, text

SMALL = 60
ALONE = {
    "audit.ahead": "its importer has no room",
    "audit.introduction": "a question about the graph of a history, apart from the command that asks it",
    "audit.remoterefs": "its importer has no room",
    "audit.reports.formats": "the one list of output formats, where one is added",
    "cli.commands.logserve": "a command",
    "cli.commands.version": "a command",
    "cli.secondsignature": "loaded for repositories of two hash algorithms alone",
    "core.pki.ber": "an encoding of its own beside core.pki.der",
    "cli.overview": "loaded for --help alone",
    "core.git.pushcert": "a format of git's",
    "core.trust.clientconfig": "a message of protobuf-specs",
    "host.git.revlist": "the bytes behind a format of git's",
    "host.timelimit": "chooses what each system loads",
    "host.windows": "loaded on Windows alone",
    "localstack.tsa.tsajson": "a request form with a specification of its own",
    "policy.pushes": "who may push, apart from who may sign",
    "policy.recent": "its importer has no room",
}
"""Why each of them is a module."""


def test_small_modules_with_one_importer_have_a_reason() -> None:
    files = {".".join(("gitsign_py", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in modules()}
    importers = defaultdict(set)
    for name, path in files.items():
        for target in (*imported(path), *_submodules(path)):
            importers[target].add(name)
    small = {
        name.removeprefix("gitsign_py.")
        for name, path in files.items()
        if path.stem != "__init__" and text(path).count("\n") < SMALL and len(importers[name]) == 1
    }
    assert small == set(ALONE)


def _submodules(path: Path) -> set[str]:
    """Modules that are imported from their package: ``from gitsign_py.policy import trees``."""
    found = (node for node in nodes(path) if isinstance(node, ast.ImportFrom))
    return {f"{node.module}.{alias.name}" for node in found for alias in node.names}
