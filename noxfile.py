"""What contributors and CI run: ``nox -s quick`` while you work, ``nox -s tests lint types docs`` before a review.

Each session has an environment of its own below .nox, which is kept (``nox -R`` uses it again without installing).
"""

import nox

nox.options.sessions = ["quick", "lint", "types"]
nox.options.reuse_existing_virtualenvs = True


@nox.session
def quick(session: nox.Session) -> None:
    """The tests that start no process (the tier unit, tests/support/tiers.py)."""
    session.install("-e", ".[test]")
    session.run("pytest", "-q", "-m", "unit", *session.posargs)


@nox.session
def pythons(session: nox.Session) -> None:
    """The tiers unit and process; ``--force-python 3.14`` says on which Python, ``-- -m unit`` asks for less."""
    session.install("-e", ".[test]")
    session.run("pytest", "-q", "-p", "no:cacheprovider", *(session.posargs or ("-m", "unit or process")))


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, or those named after ``--``."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Lint and format, which takes seconds."""
    session.install("ruff>=0.17")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types, on Linux and as macOS and Windows see the package."""
    session.install("-e", ".[test]", "mypy>=1.13", "types-requests", "nox")
    session.run("mypy")
    for platform in ("darwin", "win32"):
        session.run("mypy", "--platform", platform, "gitsign_py")


@nox.session
def docs(session: nox.Session) -> None:
    """Write the generated pages anew, and hold all pages against the code."""
    session.install("-e", ".[test]")
    session.run("python", "docs/cli/generate.py")
    session.run("python", "docs/generate_api.py")
    session.run("python", "docs/generate_rooms.py")
    session.run("python", "-m", "tests.vectors.table")
    session.run("pytest", "-q", "tests/house")


@nox.session
def release(session: nox.Session) -> None:
    """Make a release: ``nox -s release -- 0.9.0`` (CONTRIBUTING.md, "Releases")."""
    session.install("-e", ".[local]", "build>=1.2")
    session.run("python", "-m", "tools.release", *session.posargs)
