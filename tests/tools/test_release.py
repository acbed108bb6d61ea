"""A release is one command: what it writes, what it refuses, and that a failure leaves nothing behind."""

import hashlib
import json
from datetime import date
from pathlib import Path

import pytest

from tests.support.workbench import Workbench, program
from tools.release.__main__ import main
from tools.release.build import build
from tools.release.changelog import cut, section
from tools.release.errors import ReleaseError
from tools.release.provenance import provenance
from tools.release.sbom import sbom
from tools.release.version import bump, current

ROOT = Path(__file__).resolve().parents[2]
DAY = date(2026, 12, 24)
FILES = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "gitsign-py"
version = "0.1.0"
requires-python = ">=3.11"
[tool.hatch.build.targets.wheel]
packages = ["gitsign_py"]
""",
    "gitsign_py/__init__.py": '__version__ = "0.1.0"\n',
    "CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- Something.\n",
    ".gitignore": "dist/\n",
}


def write(root: Path) -> None:
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def project(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """A small project of that name, on a stack; the command runs in this process."""
    write(bench.repo)
    bench.git("add", "-A")
    bench.commit("begin")
    for name, value in bench.env.items():
        monkeypatch.setenv(name, value)
    return bench


def release(project: Workbench, *arguments: str) -> int:
    fixed = (
        "--no-isolation",
        "--no-sbom",
        "--no-zipapp",
        "--program",
        str(program(project.folder)),
        "--date",
        DAY.isoformat(),
    )
    return main([*arguments, *fixed], root=project.repo)


def test_a_release_is_one_command(project: Workbench, capsys: pytest.CaptureFixture[str]) -> None:
    assert release(project, "0.9.0") == 0, capsys.readouterr().err
    made = project.repo / "dist" / "0.9.0"
    names = {"gitsign_py-0.9.0-py3-none-any.whl", "gitsign_py-0.9.0.tar.gz"}
    others = {"SHA256SUMS", "provenance.json", "v0.9.0.sigstore.json", "v0.9.0.signed-attributes.der"}
    assert {file.name for file in made.iterdir()} == names | others
    lines = (line.split("  ") for line in (made / "SHA256SUMS").read_text().splitlines())
    sums = {name: digest for digest, name in lines}
    assert sums == {name: hashlib.sha256((made / name).read_bytes()).hexdigest() for name in names}
    assert current(project.repo) == "0.9.0"
    assert "## [Unreleased]\n\n## [0.9.0] - 2026-12-24\n" in (project.repo / "CHANGELOG.md").read_text()
    assert project.git("status", "--porcelain") == ""
    assert project.verify("HEAD", "v0.9.0").returncode == 0
    attested = project.tool("attest", "--verify", "--json", *project.who, "v0.9.0")
    assert attested.returncode == 0, attested.stderr
    predicate = json.loads((made / "provenance.json").read_text())
    [source] = predicate["buildDefinition"]["resolvedDependencies"]
    assert source["digest"]["gitCommit"] == project.git("rev-parse", "v0.9.0^{commit}")
    assert {one["name"]: one["digest"]["sha256"] for one in predicate["runDetails"]["byproducts"]} == sums


def test_a_version_that_was_cut_before_is_tagged_as_it_is(
    project: Workbench, capsys: pytest.CaptureFixture[str]
) -> None:
    bump(project.repo, "0.9.0")
    changelog = project.repo / "CHANGELOG.md"
    changelog.write_text(cut(changelog.read_text(), "0.9.0", DAY))
    project.git("commit", "-qam", "Cut 0.9.0")
    before = project.git("rev-parse", "HEAD")
    assert release(project, "0.9.0") == 0, capsys.readouterr().err
    assert project.git("rev-parse", "HEAD", "v0.9.0^{commit}").split() == [before, before]


@pytest.mark.parametrize(
    ("version", "spoil", "reason"),
    [
        ("0.1.0", "", "does not come after 0.1.0"),
        ("0.0.9", "", "does not come after 0.1.0"),
        ("1.0", "", "is no version"),
        ("0.9.0", "dirty", "the worktree has changes"),
        ("0.9.0", "tag", "there is a tag v0.9.0 already"),
        ("0.9.0", "empty", "says nothing under [Unreleased]"),
        ("0.9.0", "build", "the build failed"),
        ("0.9.0", "program", "did not run"),
    ],
)
def test_a_failure_leaves_branch_and_tags_as_they_were(
    project: Workbench, capsys: pytest.CaptureFixture[str], version: str, spoil: str, reason: str
) -> None:
    changed = {
        "dirty": ("pyproject.toml", FILES["pyproject.toml"] + "# x\n"),
        "empty": ("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n"),
        "build": ("pyproject.toml", FILES["pyproject.toml"].replace('"hatchling.build"', '"no_such_backend"')),
    }
    if spoil in changed:
        name, text = changed[spoil]
        (project.repo / name).write_text(text)
    if spoil in ("empty", "build"):
        project.git("commit", "-qam", "spoil")
    if spoil == "tag":
        project.git("tag", "v0.9.0")
    before = project.git("rev-parse", "HEAD"), project.git("tag"), project.git("status", "--porcelain")
    arguments = ("--program", "/no/such/program") if spoil == "program" else ()
    fixed = ["--no-isolation", "--no-sbom", "--no-zipapp", *arguments]
    assert main([version, *fixed], root=project.repo) == 1
    assert reason in capsys.readouterr().err
    after = project.git("rev-parse", "HEAD"), project.git("tag"), project.git("status", "--porcelain")
    assert after == before


def test_builds_that_differ_are_not_released(project: Workbench) -> None:
    """A file whose content is made at build time, as by a clock."""
    hook = "import time\nfrom hatchling.builders.hooks.plugin.interface import BuildHookInterface\n"
    hook += "class Custom(BuildHookInterface):\n    def initialize(self, version, data):\n"
    hook += '        open(self.root + "/gitsign_py/when.py", "w").write(f"WHEN = {time.time_ns()}")\n'
    (project.repo / "hatch_build.py").write_text(hook)
    settings = FILES["pyproject.toml"] + "[tool.hatch.build.hooks.custom]\n"
    (project.repo / "pyproject.toml").write_text(settings)
    project.git("add", "-A")
    project.git("commit", "-qm", "clock")
    with pytest.raises(ReleaseError, match=r"two builds of HEAD differ in gitsign_py-0\.1\.0"):
        build(project.repo, "HEAD", project.folder / "out", isolated=False)
    assert not (project.folder / "out").exists()


def test_the_tree_has_one_version_and_something_unreleased(tmp_path: Path) -> None:
    assert current(ROOT)
    assert section((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), "Unreleased")
    write(tmp_path)
    (tmp_path / "gitsign_py/__init__.py").write_text('__version__ = "0.2.0"\n')
    with pytest.raises(ReleaseError, match="more than one version"):
        bump(tmp_path, "0.9.0")


def test_a_section_ends_where_the_next_begins() -> None:
    text = cut("x\n## [Unreleased]\n\n- new\n\n## [0.1.0] - 2026-01-01\n\n- old\n", "0.2.0", DAY)
    assert section(text, "0.2.0").strip() == "- new"
    assert section(text, "0.1.0").strip() == "- old"
    with pytest.raises(ReleaseError, match=r"has a section for 0\.2\.0"):
        cut(text.replace("[Unreleased]\n", "[Unreleased]\n- more\n"), "0.2.0", DAY)


def test_the_bill_of_materials_names_all_that_is_installed() -> None:
    def package(name: str, version: str, *needs: str) -> dict[str, object]:
        return {"metadata": {"name": name, "version": version, "requires_dist": needs, "license_expression": "MIT"}}

    found = [
        package("gitsign-py", "0.9.0", "requests>=2.32", "rich; extra == 'x'"),
        package("requests", "2.32.0", "Char.Set_Normalizer (>=2)"),
        package("char-set-normalizer", "3.0"),
        package("pip", "25.0"),
    ]
    older = {"license": "text\nof pages", "classifier": ["Topic :: X", "License :: OSI Approved :: BSD License"]}
    found[2]["metadata"] = {"name": "char-set-normalizer", "version": "3.0", **older}
    made = json.loads(sbom({"installed": found}, "gitsign_py-0.9.0-py3-none-any.whl", "ab" * 32))
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert made["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert made["components"][0]["licenses"] == [{"license": {"name": "BSD License"}}]
    assert made["components"][1]["licenses"] == [{"expression": "MIT"}]
    assert [one["purl"] for one in made["components"]] == [
        "pkg:pypi/char-set-normalizer@3.0",
        "pkg:pypi/requests@2.32.0",
    ]
    needs = {one["ref"]: one["dependsOn"] for one in made["dependencies"]}
    assert needs["pkg:pypi/gitsign-py@0.9.0"] == ["pkg:pypi/requests@2.32.0"]
    assert needs["pkg:pypi/requests@2.32.0"] == ["pkg:pypi/char-set-normalizer@3.0"]
    with pytest.raises(ReleaseError, match="was not installed"):
        sbom({"installed": found[1:]}, "gitsign_py-0.9.0-py3-none-any.whl", "ab" * 32)


def test_provenance_says_the_same_each_time() -> None:
    once = provenance("a" * 40, "0.9.0", {"b": "1", "a": "2"}, epoch="1")
    assert once == provenance("a" * 40, "0.9.0", {"a": "2", "b": "1"}, epoch="1")
