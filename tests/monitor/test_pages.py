"""The pages about logs, asked through the stack's front door and ``log serve``: search, entries, growth, people."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.stack import RunningStack, running_stack
from tests.support.webform import fetch
from tests.support.workbench import EMAIL, Workbench, program


def shown(stack: RunningStack, path: str, status: int = 200) -> str:
    answer = stack.get(path)
    assert answer.status == status, answer.body.decode()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script" not in policy
    assert "unsafe" not in policy
    return answer.body.decode()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Workbench]:
    """A stack that nobody else writes to: a page shows a hundred entries by one address, and one section a log."""
    with running_stack(tmp_path / "stack") as stack:
        made = Workbench(tmp_path, stack)
        made.init()
        yield made


def test_a_commit_is_found_on_the_front_page_of_the_stack(fresh: Workbench) -> None:
    oid = fresh.commit("seen in a browser")
    found = json.loads(fresh.tool("log", "search", "--commit", oid, "--json").stdout)
    front = shown(fresh.stack, "/")
    assert front.count('<section class="log">') == 3
    for question in (found["digest"], found["digest"][7:], found["leaf_hash"], EMAIL, str(found["log_index"])):
        page = shown(fresh.stack, f"/log/search?q={quote(question)}")
        assert re.search(rf'log=1&amp;index={found["log_index"]}">{found["log_index"]}</a>', page), question
    page = shown(fresh.stack, f"/log/entry?log=1&index={found['log_index']}")
    assert "Every check that an entry allows has passed" in page
    assert all(words in page for words in (EMAIL, found["leaf_hash"], found["digest"], "logged in a CT log"))
    assert page.count('class="passed"') > 4
    assert EMAIL in shown(fresh.stack, "/log/people?log=1")
    assert "Included." in shown(fresh.stack, "/log/entry?log=3&index=0")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/log/search", 400),
        ("/log/search?q=" + "x" * 301, 400),
        ("/log/search?q=sha256:" + "a" * 96, 400),
        ("/log/entry?log=1&index=", 400),
        ("/log/entry?log=1&index=-1", 400),
        ("/log/entry?log=0&index=1", 400),
        ("/log/entry?log=99&index=1", 400),
        ("/log/entry?log=1&index=999999999999999999", 404),
        ("/log/entry?log=2&index=999999999999999999", 404),
        ("/log/people?log=x", 400),
    ],
)
def test_a_question_without_an_answer_gets_a_page(stack: RunningStack, path: str, status: int) -> None:
    assert "That did not work" in shown(stack, path, status)


def refused(url: str, host: str) -> int:
    request = urllib.request.Request(url, headers={"Host": host})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=20)
    caught.value.close()
    return caught.value.code


def test_a_flood_of_pages_leaves_the_stack_answering(stack: RunningStack) -> None:
    """Each page asks the stack's own logs: those that wait for a place must not hold the threads which answer that."""
    with ThreadPoolExecutor(80) as pool:
        pages = [pool.submit(stack.get, "/log/people?log=3") for _ in range(80)]
        assert stack.get("/healthz").status == 200
        assert {one.result().status for one in pages} <= {200, 503}
    assert stack.get("/").status == 200


def test_a_log_that_does_not_answer_is_said_on_the_page(bench: Workbench) -> None:
    with serving(bench, "--log", "rekor1=http://127.0.0.1:1", "--log", "ct") as url:
        front = fetch(f"{url}/").text
        assert "[service-unreachable]" in front
        assert front.count("<section") == 2
        assert "could not be searched" in fetch(f"{url}/log/search?q={EMAIL}").text
        assert fetch(f"{url}/log/people").status == 502


@contextmanager
def serving(bench: Workbench, *arguments: str) -> Iterator[str]:
    """The program's own server; gives its URL."""
    command = [str(program(bench.folder)), "log", "serve", "--port", "0", *arguments]
    child = subprocess.Popen(command, cwd=bench.repo, env=bench.env, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        yield line.split()[2].rstrip("/")
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 0
    finally:
        child.kill()
        child.wait(30)
        child.stdout.close()


def test_a_replica_is_searched_by_commit_when_its_log_is_gone(bench: Workbench, tmp_path: Path) -> None:
    oid = bench.commit("in the replica")
    mirror = tmp_path / "mirror"
    state = ("--state", str(tmp_path / "state" / "m"))
    assert bench.tool("monitor", "-q", *state, "--log", "rekor1", "--mirror", str(mirror)).returncode == 0
    with serving(bench, "--from", str(mirror)) as url:
        page = fetch(f"{url}/log/search?q={oid}")
        for host in ("evil.example", "127.0.0.1.evil.example"):
            assert refused(url, host) == 403, "a name that was made to lead here (DNS rebinding)"
        assert "1 entry" in page.text
        assert EMAIL in page.text
        assert EMAIL in fetch(f"{url}/log/people").text
        assert "In all entries of the replica" in fetch(f"{url}/log/people").text


def test_without_the_extra_it_says_what_to_install(bench: Workbench) -> None:
    """In a process of its own: here the stack's modules may be loaded, and the command would serve for ever."""
    code = "import sys; sys.modules['uvicorn'] = None; from gitsign_py.cli import main; sys.exit(main(sys.argv[1:]))"
    done = bench.run([sys.executable, "-c", code, "log", "serve", "--port", "0"])
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert "log serve needs the package uvicorn" in said
    assert "WHEEL[local]" in said


def test_pages_for_others_need_their_host_name(bench: Workbench) -> None:
    done = bench.tool("log", "serve", "--port", "0", "--host", "0.0.0.0")
    assert done.returncode == 2
    assert b"log-serve-exposed" in done.stderr
    assert bench.tool("log", "serve", "--port", "0", "--from", str(bench.folder)).returncode == 2
