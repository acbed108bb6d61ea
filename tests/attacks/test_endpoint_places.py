"""GITSIGN_CREDENTIAL_CACHE names an endpoint in a place where others may write.

The attack: another user plants a socket, or a file with a port and a secret of his own, answers git's verifications
with TRUST_FULLY and is handed the token of the next signature. The place is asked, name by name, before a word is said.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitsign_py.agent import client, endpoint
from gitsign_py.agent.conversation import Conversation, Fields
from gitsign_py.agent.place import check_directory, check_endpoint
from gitsign_py.errors import ConfigError
from gitsign_py.host import windowsacl
from tests.support.agentserver import serving
from tests.support.othersystem import installed

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files to another user")
NOBODY = pwd.getpwnam("nobody").pw_uid


@pytest.fixture
def place() -> Iterator[Path]:
    """``a/b/c`` in a directory of this user's, which stands in the sticky /tmp; the endpoint is c/agent.sock."""
    top = Path(tempfile.mkdtemp(dir="/tmp"))  # short enough for a socket, and sticky
    (top / "a" / "b" / "c").mkdir(mode=0o700, parents=True)
    for directory in (top / "a", top / "a" / "b"):
        directory.chmod(0o755)
    yield top
    shutil.rmtree(top)


def _link(place: Path, shared: Path, target: Path) -> Path:
    shared.mkdir()
    (shared / "link").symlink_to(target)
    shared.chmod(0o777)
    return shared / "link"


def _mode(name: str, mode: int) -> Callable[[Path], None]:
    return lambda place: (place / name).chmod(mode)


def _owner(name: str) -> Callable[[Path], None]:
    return lambda place: os.chown(place / name, NOBODY, -1, follow_symlinks=False)


ENDPOINT = "a/b/c/agent.sock"
UNSAFE = {
    "its directory is everybody's": _mode("a/b/c", 0o777),
    "its directory is a group's": _mode("a/b/c", 0o770),
    "its directory is sticky": _mode("a/b/c", 0o1777),
    "others rename its directory": _mode("a/b", 0o777),
    "others rename a directory above": _mode("a", 0o775),
    "the endpoint is open": _mode(ENDPOINT, 0o666),
}
FOREIGN = {
    "its directory is another's": _owner("a/b/c"),
    "a directory above is another's": _owner("a"),
    "the endpoint is another's": _owner(ENDPOINT),
}


@pytest.fixture(params=[False, True], ids=["socket", "loopback"])
def heard(request: pytest.FixtureRequest, place: Path) -> Iterator[list[Fields]]:
    """An endpoint that would answer; what it hears."""
    said: list[Fields] = []

    def answer(request: Fields, _: Conversation) -> Fields:
        said.append(request)
        return {"status": b"ok", "status_lines": b"[GNUPG:] TRUST_FULLY 0 shell", "text": b"", "exit_status": b"0"}

    with serving(place / ENDPOINT, loopback=request.param, verify=answer, sign=answer):
        yield said
        for directory in (place / "a", place / "a" / "b", place / "a" / "b" / "c"):
            directory.chmod(0o700)


def refused(path: Path, heard: list[Fields]) -> str:
    assert client.try_verify(str(path), {"payload": b"p", "signature": b"s"}) is None
    assert client.try_sign(str(path), {"payload": b"p", "token": b"t"}) is None
    assert heard == []
    return client.distrusted(str(path))


def trusted(path: Path, heard: list[Fields]) -> bool:
    return (
        client.try_verify(str(path), {"payload": b"p"}) is not None and bool(heard) and not client.distrusted(str(path))
    )


@pytest.mark.parametrize("change", UNSAFE.values(), ids=UNSAFE.keys())
def test_a_place_where_others_may_write_is_passed_over(
    place: Path, heard: list[Fields], change: Callable[[Path], None]
) -> None:
    change(place)
    assert "other users" in refused(place / ENDPOINT, heard)


@ROOT_ONLY
@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_place_of_another_user_is_passed_over(
    place: Path, heard: list[Fields], change: Callable[[Path], None]
) -> None:
    change(place)
    assert "another user" in refused(place / ENDPOINT, heard)


@pytest.mark.parametrize("target", [ENDPOINT, "a/b/c"])
def test_a_link_that_others_may_change_is_not_followed(place: Path, heard: list[Fields], target: str) -> None:
    link = _link(place, place / "shared", place / target)
    path = link if target == ENDPOINT else link / "agent.sock"
    assert "other users" in refused(path, heard)
    again = place / "again"
    again.symlink_to(path)
    assert "other users" in refused(again, heard)


@ROOT_ONLY
def test_a_link_of_another_user_in_a_sticky_directory_is_not_followed(place: Path, heard: list[Fields]) -> None:
    link = _link(place, place / "shared", place / ENDPOINT)
    (place / "shared").chmod(0o1777)
    os.chown(link, NOBODY, -1, follow_symlinks=False)
    assert "another user" in refused(link, heard)


def test_links_that_lead_nowhere_end(place: Path, heard: list[Fields]) -> None:
    (place / "loop").symlink_to("loop")
    assert client.try_verify(str(place / "loop"), {"payload": b"p"}) is None
    (place / "a" / "up").symlink_to("../a/./b")
    assert trusted(place / "a" / "up" / ".." / "b" / "c" / "agent.sock", heard)


def test_an_own_place_is_trusted_by_every_name(place: Path, heard: list[Fields]) -> None:
    assert trusted(place / ENDPOINT, heard)
    (place / "link").symlink_to("a/b")
    assert trusted(place / "link" / "c" / "agent.sock", heard)
    (place / "endpoint").symlink_to(place / ENDPOINT)
    assert trusted(place / "endpoint", heard)


@pytest.mark.parametrize("shared", ["a/b/c", "a/b", "a"])
def test_no_agent_starts_in_such_a_place(place: Path, shared: str) -> None:
    (place / shared).chmod(0o777)
    with pytest.raises(ConfigError) as caught:
        endpoint.open_endpoint(place / ENDPOINT)
    assert caught.value.reason == "agent-directory-unsafe"


# --- Windows: the rules over access lists, as bytes ------------------------------------------------------------------


def sid(*parts: int) -> bytes:
    return (
        bytes([1, len(parts) - 1]) + parts[0].to_bytes(6, "big") + b"".join(n.to_bytes(4, "little") for n in parts[1:])
    )


ME, OTHER, EVERYONE, SYSTEM, ADMINS = (
    sid(5, 21, 1, 2, 3, 1001),
    sid(5, 21, 1, 2, 3, 1002),
    sid(1, 0),
    sid(5, 18),
    sid(5, 32, 544),
)


def acl(*entries: tuple[int, int, int, bytes]) -> bytes:
    body = b"".join(
        bytes([kind, flags]) + (8 + len(who)).to_bytes(2, "little") + mask.to_bytes(4, "little") + who
        for kind, flags, mask, who in entries
    )
    return bytes([2, 0]) + (8 + len(body)).to_bytes(2, "little") + len(entries).to_bytes(2, "little") + b"\0\0" + body


FULL = 0x1F01FF
OWN = ((0, 0, FULL, SYSTEM), (0, 0, FULL, ADMINS), (0, 0, FULL, ME))


@pytest.mark.parametrize(
    ("owner", "access", "rights", "allowed"),
    [
        (ME, acl(*OWN), windowsacl.READ, True),
        (ADMINS, acl(*OWN), windowsacl.READ, True),
        (OTHER, acl(*OWN), windowsacl.READ, False),
        (ME, None, windowsacl.READ, False),
        (ME, acl(*OWN, (0, 0, 0x1200A9, EVERYONE)), windowsacl.WRITE, True),
        (ME, acl(*OWN, (0, 0, 0x1200A9, EVERYONE)), windowsacl.READ, False),
        (ME, acl(*OWN, (0, 0, 0x2, OTHER)), windowsacl.WRITE, False),
        (ME, acl(*OWN, (0, 0, 0x4, OTHER)), windowsacl.RENAME, True),
        (ME, acl(*OWN, (0, 0, 0x40, OTHER)), windowsacl.RENAME, False),
        (ME, acl(*OWN, (0, 0x0B, FULL, OTHER)), windowsacl.WRITE, True),
        (ME, acl(*OWN, (1, 0, FULL, OTHER)), windowsacl.READ, True),
        (ME, acl(*OWN, (9, 0, 1, OTHER)), windowsacl.WRITE, False),
    ],
)
def test_access_lists_of_windows(owner: bytes, access: bytes | None, rights: int, allowed: bool) -> None:
    why = windowsacl.refusal("C:\\x", owner, access, own=ME, rights=rights, what="write to")
    assert (why == "") == allowed


def test_on_windows_every_directory_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def security(path: str) -> tuple[bytes, bytes]:
        asked.append(path)
        return ME, acl(*OWN, (0, 0, 0x40 if path == str(tmp_path.parent) else 0, OTHER))

    monkeypatch.setattr(windowsacl, "_security", security)
    monkeypatch.setattr(windowsacl, "_own_sid", lambda: ME)
    assert windowsacl.check_private(str(tmp_path / "agent.sock")) == f"other users can rename in {tmp_path.parent}"
    assert asked == [str(tmp_path / "agent.sock"), str(tmp_path), str(tmp_path.parent)]


_CHECK = "import sys; from gitsign_py.agent.client import distrusted; print(distrusted(sys.argv[1]))"


@ROOT_ONLY
@pytest.mark.parametrize("system", ["windows", "nameless"])
def test_without_owners_by_number_the_access_lists_are_read(place: Path, tmp_path: Path, system: str) -> None:
    path = place / ENDPOINT
    path.write_text("1 secret")
    variables = {**os.environ, **installed(tmp_path / "python", system)}
    for spoilt, told in ((None, ""), (path, f"{path} belongs to another user")):
        if spoilt:
            os.chown(spoilt, NOBODY, -1)
        done = subprocess.run(
            [sys.executable, "-c", _CHECK, str(path)], env=variables, capture_output=True, text=True, check=False
        )
        assert done.stdout.strip() == told, done.stderr


def test_where_nothing_tells_whose_a_file_is_no_endpoint_is_trusted(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    path = place / ENDPOINT
    path.write_text("1 secret")
    path.chmod(0o600)
    check_endpoint(str(path))
    monkeypatch.delattr(os, "geteuid")
    with pytest.raises(OSError, match="access lists are read on Windows"):
        check_endpoint(str(path))
    with pytest.raises(OSError, match="access lists are read on Windows"):
        check_directory(str(path.parent))
