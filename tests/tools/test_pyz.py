"""The zipapp: one file that audits on a server, unpacked once, and refused where it does not fit."""

import importlib.metadata
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import environment
from tests.support.signedrepo import SignedRepo
from tools.release.pyz import pack, pack_files

ROOT = Path(__file__).resolve().parents[2]


def _needed(name: str, seen: set[str]) -> set[str]:
    """The distributions that one needs, with those that they need."""
    if name not in seen:
        seen.add(name)
        for text in importlib.metadata.distribution(name).requires or []:
            word = re.split(r"[ ;<>=!~\[(]", text)[0]
            if not {"extra", "python_version", "sys_platform"} & set(re.findall(r"\w+", text.partition(";")[2])):
                _needed(word, seen)
    return seen


def _installed() -> dict[str, bytes]:
    """The package as it is here, and the installed files of what it needs to audit and verify: no index is asked."""
    files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in sorted((ROOT / "gitsign_py").rglob("*"))
             if path.is_file() and path.suffix != ".pyc"}  # fmt: skip
    for name in sorted({one for word in ("cryptography", "asn1crypto", "google-re2", "platformdirs", "requests")
                        for one in _needed(word, set())}):  # fmt: skip
        for file in importlib.metadata.distribution(name).files or []:
            if ".." not in file.parts and file.suffix != ".pyc":
                files[str(file)] = Path(str(file.locate())).read_bytes()
    return files


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pyz") / "gitsign-py.pyz"
    path.write_bytes(pack_files(_installed()))
    path.chmod(0o755)
    return path


def run(archive: Path, folder: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """As on a server: a Python without packages, and nothing in the environment that leads to ours."""
    variables = {**environment(**more), "PATH": os.environ["PATH"], "GITSIGN_PY_UNPACKED": str(archive.parent / "kept")}
    variables.pop("PYTHONPATH", None)
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    command = [str(base if base.exists() else sys.executable), "-I", str(archive), *arguments]
    return subprocess.run(command, cwd=folder, env=variables | more, capture_output=True, text=True, check=False)


def test_one_file_is_the_program(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    made = SignedRepo.make(tmp_path / "made", BulkSigner(tmp_path / "authority"))
    made.write(heads__main=made.history.commit(signed="alice"))
    repo, variables = made.repo.path, made.variables
    version = run(archive, repo, "version", **variables)
    assert version.returncode == 0, version.stderr
    assert version.stdout.startswith("gitsign-py ")
    audited = run(archive, repo, "audit", "--format", "text", **variables)
    assert audited.returncode == 0, audited.stderr
    assert "good" in audited.stdout
    [kept] = (archive.parent / "kept").iterdir()  # unpacked once, whole, and nothing beside it
    assert (kept / "site" / "gitsign_py" / "data").is_dir()
    hooks = run(archive, repo, "hooks", "install", "--local", **variables)
    assert hooks.returncode == 0, hooks.stderr
    assert str(archive) in (repo / ".git" / "hooks" / "pre-push").read_text()


def test_what_others_can_write_to_is_not_run(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        digest = packed.read("contents").decode().split()[0]
    planted = tmp_path / "kept" / digest
    planted.mkdir(parents=True)
    planted.chmod(0o777)
    done = run(archive, tmp_path, "version", GITSIGN_PY_UNPACKED=str(tmp_path / "kept"))
    assert done.returncode == 1
    assert "others may write to what is there; let GITSIGN_PY_UNPACKED name a folder" in done.stderr
    (tmp_path / "file").touch()
    done = run(archive, tmp_path, "version", GITSIGN_PY_UNPACKED=str(tmp_path / "file"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_another_python_is_told(tmp_path: Path) -> None:
    path = tmp_path / "other.pyz"
    path.write_bytes(pack_files({"x.py": b""}))
    with zipfile.ZipFile(path) as packed:
        [digest, built] = packed.read("contents").decode().split()
        main = packed.read("__main__.py")
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("__main__.py", main)
        packed.writestr("contents", f"{digest} cpython-29-plan9")
    done = run(path, tmp_path, "version")
    assert f"other.pyz is for cpython-29-plan9, this Python is {built}" in done.stderr
    assert done.returncode == 1


def test_the_same_packages_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "package" / "__pycache__").mkdir(parents=True)
        (tmp_path / name / "package" / "module.py").write_text("x = 1\n")
        (tmp_path / name / "package" / "__pycache__" / f"{name}.pyc").write_bytes(b"")
    assert pack(tmp_path / "a") == pack(tmp_path / "b")
    (tmp_path / "b" / "package" / "module.py").write_text("x = 2\n")
    assert pack(tmp_path / "a") != pack(tmp_path / "b")
