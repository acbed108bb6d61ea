"""Odd values in the place of files, revisions and words: each ends in words and a status, never in a traceback."""

import os
import stat
from pathlib import Path

import pytest

from tests.support.workbench import Workbench

pytestmark = pytest.mark.unmeasured

FORMS = [
    "verify --any-identity X",
    "verify --any-identity --trusted-root X HEAD",
    "verify --certificate-identity-regexp X --certificate-oidc-issuer-regexp X HEAD",
    "show X",
    "audit --format text X",
    "audit --format text --policy X",
    "audit --format text --trusted-root X",
    "audit --in-history --introduction X",
    "audit --since X --jobs X",
    "policy check X",
    "policy explain X",
    "policy test --policy X",
    "hook X",
    "hook update X X X",
    "setup --instance X",
    "login --issuer X",
    "initialize --mirror X --root X",
    "verify-bundle --bundle X --any-identity X",
    "verify-bundle --bundle BUNDLE --key X --trusted-root X X",
    "bundle export X",
    "bundle export HEAD --output X",
    "bundle import HEAD --bundle X --artifact X",
    "attest -f X --type X --objtype commit",
    "stack up --detach --port 0 --dir X",
    "stack token --dir X --ttl X",
    "stack rotate X",
    "debug token X",
    "agent X",
    "--status-fd=2 --verify X -",
    "--status-fd=X -bsau X",
    "-bsau X -o X",
]


def odd_values(folder: Path) -> list[str]:
    """Files of every unfit kind, and words that are no file at all."""
    contents = {"empty": b"", "binary": bytes(range(256)) * 9, "nul": bytes(99), "object": b"{}", "deep": b"[" * 99_999}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "directory").mkdir()
    (folder / "directory" / "file").write_text("")
    return [*(str(path) for path in folder.iterdir()), "/dev/null/x", "", "-", "a\nb", "\udcff"]


@pytest.mark.parametrize("form", FORMS)
def test_odd_values_are_refused_in_words(bench: Workbench, form: str) -> None:
    if "HEAD" in form:
        bench.commit()
    folder = bench.folder / "odd"
    folder.mkdir()
    for value in odd_values(folder):
        arguments = [value if word == "X" else word for word in form.split()]
        done = bench.tool(*arguments, stdin=b"tree ")
        said = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode in (0, 1, 2, 3), (arguments, said)
        assert "Traceback" not in said, arguments
        assert done.returncode == 0 or said.strip(), f"nothing was said: {arguments}"
        if form.startswith("stack up"):  # some of them are good names for a directory
            bench.tool("stack", "down", "--dir", value)


def test_a_report_to_a_device_leaves_the_device(bench: Workbench) -> None:
    bench.commit()
    pipe = bench.folder / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    done = bench.tool("audit", "--format", "ndjson", "--output", str(pipe))
    assert done.returncode == 0, done.stderr
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert b'"type":"summary"' in os.read(reader, 1 << 16).replace(b" ", b"")
    os.close(reader)


def test_a_report_through_a_link_leaves_the_link(bench: Workbench) -> None:
    bench.commit()
    target, link = bench.folder / "target", bench.folder / "link"
    link.symlink_to(target)
    assert bench.tool("audit", "--format", "text", "--output", str(link)).returncode == 0
    assert link.is_symlink()
    assert "verified" in target.read_text()
