"""The command blocks of README and docs, run as they stand: page by page, by a user with a local Sigstore.

Each page has a repository of its own, with signed commits and the tags v1 and v2. A block that says why it cannot run
(``not run: ...``), or which other test runs it, is left out; tests/house/test_pages.py holds it to its word.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.home import Home, living
from tests.support.pages import Block, pages
from tests.support.stack import RunningStack, running_stack

pytestmark = pytest.mark.unmeasured
ISSUER = "https://accounts.example.com"
BLOCKS = {
    page.name: found
    for page in pages()
    if (found := [block for block in page.blocks if block.is_command and not block.remark and not block.indented])
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def reader(tmp_path: Path, stack: RunningStack) -> Iterator[Home]:
    """A user who follows a page: the program is on PATH, and there is history to look at."""
    with living(tmp_path, stack) as home:
        home.variables["PATH"] = f"{tmp_path}:{home.variables['PATH']}"
        home.git("config", "--global", "user.name", "Alice")
        home.git("config", "--global", "user.email", "alice@example.com")
        for number in (1, 2):
            home.commit(f"commit {number}")
            home.git("tag", "-s", f"v{number}", "-m", f"release {number}")
        yield home


def script(block: Block, stack: RunningStack) -> str:
    """The block, with this stack's issuer for the example's, and any free port for the usual one."""
    text = block.text.replace(ISSUER, stack.url)
    return text.replace("stack up --detach", "stack up --detach --port 0")


def has_a_change_to_approve(reader: Home) -> None:
    """A branch ``topic`` beside main, and a server to push the approval to."""
    reader.git("checkout", "-q", "-b", "topic")
    reader.commit("a change")
    reader.git("checkout", "-q", "main")
    server = reader.directory / "server.git"
    reader.git("init", "-q", "--bare", str(server))
    reader.git("remote", "add", "origin", str(server))


@pytest.mark.parametrize("name", BLOCKS)
def test_commands_of_a_page_do_what_it_says(name: str, reader: Home) -> None:
    if name == "docs/sign-in.md":
        reader.person_signs_in()  # its first command waits for a person
    if name == "docs/policy.md":
        has_a_change_to_approve(reader)
    try:
        for block in BLOCKS[name]:
            done = reader.run("sh", "-e", "-c", script(block, reader.stack))
            assert done.returncode == 0, (name, block.line, done.stdout, done.stderr)
    finally:
        reader.run(reader.program, "stack", "down")


def test_most_pages_have_something_to_run() -> None:
    assert len(BLOCKS) > 15
    assert sum(len(found) for found in BLOCKS.values()) > 25
