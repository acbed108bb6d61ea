"""``python -m tools.release VERSION``: the one command that makes a release, from a clean worktree.

Version and changelog in a signed commit; wheel and sdist, built twice to the same bytes; SBOM; a signed tag;
provenance, attested and verified by this very program; the tag's signature as a bundle. Nothing is pushed or uploaded,
and what fails leaves branch and tags as they were.
"""

import argparse
import hashlib
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from tools.release.build import build
from tools.release.changelog import cut
from tools.release.errors import ReleaseError
from tools.release.provenance import TYPE, provenance
from tools.release.pyz import platform, pyz_of_wheel
from tools.release.run import git, run
from tools.release.sbom import sbom_of_wheel
from tools.release.version import PLACES, bump, current

ROOT = Path(__file__).resolve().parents[2]
CHANGELOG = "CHANGELOG.md"


@dataclass(frozen=True)
class Release:
    """A release on its way: the repository, its version, and where the files go."""

    root: Path
    version: str
    output: Path

    @property
    def tag(self) -> str:
        """The tag's name."""
        return f"v{self.version}"


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    """Make the release, or say in one line why there is none."""
    options = _parser().parse_args(arguments)
    release = Release(root, options.version, (options.output or root / "dist" / options.version).absolute())
    try:
        before = _ready(release)
        try:
            files = _make(release, options)
        except ReleaseError:
            git(root, "reset", "-q", "--hard", before)
            if git(root, "tag", "--list", release.tag):
                git(root, "tag", "-d", release.tag)
            raise
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    sums = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    (release.output / "SHA256SUMS").write_text(sums, encoding="utf-8")
    print(f"{release.tag}, in {release.output}:\n{sums}")
    print(f"publish it: git push origin HEAD {release.tag} 'refs/attestations/*:refs/attestations/*'")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.add_argument("version", metavar="VERSION", help="the new version: MAJOR.MINOR.PATCH")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where the files go (dist/VERSION)")
    parser.add_argument("--date", type=date.fromisoformat, default=datetime.now(UTC).date(), help="(today, in UTC)")
    parser.add_argument("--program", default="gitsign-py", help="the program that attests (gitsign-py)")
    parser.add_argument("--no-isolation", action="store_true", help="build with the hatchling that is installed here")
    parser.add_argument("--no-sbom", action="store_true", help="leave out the SBOM, which needs a package index")
    parser.add_argument("--no-zipapp", action="store_true", help="leave out the zipapp, which needs one too")
    return parser


def _ready(release: Release) -> str:
    """Check that a release can start here; gives the commit to go back to."""
    if git(release.root, "status", "--porcelain"):
        raise ReleaseError("the worktree has changes: commit or stash them, a release is made of what is committed")
    if git(release.root, "tag", "--list", release.tag):
        raise ReleaseError(f"there is a tag {release.tag} already")
    return git(release.root, "rev-parse", "HEAD")


def _make(release: Release, options: argparse.Namespace) -> dict[str, str]:
    _commit(release, options.date)
    files = build(release.root, "HEAD", release.output, isolated=not options.no_isolation)
    if not options.no_sbom:
        [wheel] = (name for name in files if name.endswith(".whl"))
        described = sbom_of_wheel(release.output / wheel, files[wheel])
        files |= _write(release, f"gitsign-py-{release.version}.cdx.json", described)
    if not options.no_zipapp:
        [wheel] = (name for name in files if name.endswith(".whl"))
        name = f"gitsign-py-{release.version}-{platform()}.pyz"
        files |= _write(release, name, pyz_of_wheel(release.output / wheel))
        (release.output / name).chmod(0o755)
    git(release.root, "tag", "-s", "-m", f"gitsign-py {release.version}", release.tag)
    _attest(release, files, options.program)
    return files


def _commit(release: Release, day: date) -> None:
    """Sign a commit with the new version and the section of the changelog; a version that was cut before has them."""
    if is_cut(release.root, release.version):
        return
    bump(release.root, release.version)
    changelog = release.root / CHANGELOG
    changelog.write_text(cut(changelog.read_text(encoding="utf-8"), release.version, day), encoding="utf-8")
    git(release.root, "commit", "-q", "-S", "-m", f"Release {release.version}", "--", *PLACES, CHANGELOG)


def is_cut(root: Path, version: str) -> bool:
    """Tell whether the tree has this version already, with a section of the changelog."""
    changelog = (root / CHANGELOG).read_text(encoding="utf-8")
    return current(root) == version and f"## [{version}]" in changelog


def _write(release: Release, name: str, data: bytes) -> dict[str, str]:
    (release.output / name).write_bytes(data)
    return {name: hashlib.sha256(data).hexdigest()}


def _attest(release: Release, files: dict[str, str], program: str) -> None:
    """Attest the provenance to the commit, check it as anybody would, and export the tag's signature as a bundle."""
    root, tag = release.root, release.tag
    commit, epoch = git(root, "log", "-1", "--format=%H %ct").split(" ")
    predicate = release.output / "provenance.json"
    predicate.write_bytes(provenance(commit, release.version, files, epoch=epoch))
    run(root, program, "attest", "--filepath", str(predicate), "--type", TYPE, tag)
    run(root, program, "attest", "--verify", "--any-identity", tag)
    bundle, artifact = release.output / f"{tag}.sigstore.json", release.output / f"{tag}.signed-attributes.der"
    run(root, program, "bundle", "export", "--output", str(bundle), "--artifact", str(artifact), tag)
    run(root, program, "verify-bundle", "--any-identity", "--bundle", str(bundle), str(artifact))


if __name__ == "__main__":
    sys.exit(main())
