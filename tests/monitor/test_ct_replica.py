"""A CT log of RFC 6962, its replica as a tiled log (static-ct-api), and that one behind a server of static files."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.support.fileserver import file_server
from tests.support.workbench import EMAIL, Workbench

GONE: dict[str, Any] = {"GITSIGN_REKOR_URL": "http://127.0.0.1:1"}


def ask(bench: Workbench, *arguments: str, status: int = 0) -> str:
    done = bench.tool(*arguments, **GONE)
    assert done.returncode == status, (arguments, done.stdout, done.stderr)
    return done.stdout.decode()


def test_a_ct_log_becomes_a_tiled_one(bench: Workbench, tmp_path: Path) -> None:
    """Mirrored from get-entries, read from the folder, then monitored over HTTP by tiles: the same tree each time."""
    bench.commit("one")
    mirror, state = tmp_path / "mirror", ("--state", str(tmp_path / "state" / "m"))
    ask(bench, "monitor", "-q", *state, "--log", "ct", "--from", "0", "--mirror", str(mirror))
    (real,) = json.loads(ask(bench, "log", "info", "--log", "ct", "--json"))["trees"]
    (kept,) = json.loads(ask(bench, "log", "info", "--from", str(mirror), "--json"))["trees"]
    assert (kept["tree"], kept["size"], kept["root"]) == (real["tree"], real["size"], real["root"])
    found = json.loads(ask(bench, "log", "search", "--email", EMAIL, "--from", str(mirror), "--json").splitlines()[-1])
    assert found["signers"][0]["identity"] == EMAIL
    ask(bench, "log", "get", str(found["index"]), "--from", str(mirror), "--log", "ct")
    (folder,) = mirror.iterdir()
    for issuer in (folder / "issuer").iterdir():
        assert issuer.name == hashlib.sha256(issuer.read_bytes()).hexdigest()
    assert list((folder / "issuer").iterdir())
    with file_server(folder) as url:
        tiled = f"static-ct={url}"
        (served,) = json.loads(ask(bench, "log", "info", "--log", tiled, "--json"))["trees"]
        assert served["checkpoint"] == kept["checkpoint"]
        assert (
            json.loads(ask(bench, "log", "get", str(found["index"]), "--log", tiled, "--json"))["leaf_hash"]
            == (found["leaf_hash"])
        )
        watch = ("monitor", "--state", str(tmp_path / "other" / "m"), "--log", tiled, "--identity", EMAIL, "--json")
        first = [json.loads(line) for line in ask(bench, *watch, "--from", "0").splitlines()]
        assert {one["kind"] for one in first} == {"watch-hit"}
        bench.commit("two")
        ask(bench, "monitor", "-q", *state, "--log", "ct", "--mirror", str(mirror))
        second = [json.loads(line) for line in ask(bench, *watch).splitlines()]
        assert [one["facts"]["index"] for one in second] == [kept["size"]]
