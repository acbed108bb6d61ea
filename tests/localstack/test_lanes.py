"""Requests that share a thread and a transaction: together where they can be, apart in what becomes of them."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path

import pytest

from gitsign_py.localstack.lanes import MOST, Lane
from gitsign_py.localstack.service import Response
from gitsign_py.localstack.state import State

ADD = "INSERT INTO marks VALUES (?, 1)"


def test_what_came_in_the_meantime_runs_together() -> None:
    groups: list[int] = []
    go = threading.Event()

    @contextmanager
    def around() -> Iterator[None]:
        groups.append(0)
        yield

    def work(number: int) -> Response:
        assert go.wait(20)
        groups[-1] += 1
        return Response(body=b"%d" % number)

    async def main() -> list[Response]:
        with ThreadPoolExecutor() as threads:
            lane = Lane(threads, around)
            asked = [asyncio.ensure_future(lane.run(partial(work, number))) for number in range(MOST + 20)]
            await asyncio.sleep(0)
            go.set()
            return await asyncio.gather(*asked)

    assert [answer.body for answer in asyncio.run(main())] == [b"%d" % number for number in range(MOST + 20)]
    assert groups == [1, MOST, 19]


def test_a_disk_that_fails_at_the_end_fails_all_and_the_lane_goes_on() -> None:
    @contextmanager
    def around() -> Iterator[None]:
        yield
        if not fine:
            raise sqlite3.OperationalError("database or disk is full")

    async def main() -> list[object]:
        with ThreadPoolExecutor() as threads:
            lane = Lane(threads, around)
            first = await asyncio.gather(*(lane.run(Response) for _ in range(3)), return_exceptions=True)
            fine.append(True)
            return [*first, await lane.run(Response)]

    fine: list[bool] = []
    *failed, answered = asyncio.run(main())
    assert [type(one) for one in failed] == [sqlite3.OperationalError] * 3
    assert answered == Response()


def test_a_client_that_leaves_takes_no_other_with_it() -> None:
    async def main() -> Response:
        with ThreadPoolExecutor() as threads:
            lane = Lane(threads, nullcontext)
            asked = [asyncio.ensure_future(lane.run(Response)) for _ in range(2)]
            await asyncio.sleep(0)
            asked[0].cancel()
            return await asked[1]

    assert asyncio.run(main()) == Response()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with closing(State(tmp_path / "s")) as opened:
        yield opened


def marks(state: State) -> set[str]:
    with closing(sqlite3.connect(state.directory / "state.db")) as db:  # from outside: what is on disk
        return {name for (name,) in db.execute("SELECT name FROM marks")}


def test_writes_together_are_one_transaction(state: State) -> None:
    commits: list[str] = []
    with state.together():
        with state.reading() as db:
            db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        for name in ("a", "b", "c"):
            with state.transaction() as db:
                db.execute(ADD, (name,))
            assert marks(state) == set()
    assert (marks(state), commits) == ({"a", "b", "c"}, ["COMMIT"])


def test_one_that_fails_takes_its_own_rows_back_alone(state: State) -> None:
    with state.together():
        for name in ("a", "b", "c"):
            try:
                with state.transaction() as db, state.transaction():
                    db.execute(ADD, (name,))
                    if name == "b":
                        raise ValueError(name)
            except ValueError:
                continue
    assert marks(state) == {"a", "c"}


def test_a_transaction_that_sqlite_took_back_takes_no_more_and_fails_all(state: State) -> None:
    """As on a full disk: no later write may go on disk by itself, and none be answered."""
    tried: list[str] = []

    def write(name: str, *, full: bool = False) -> None:
        with state.transaction() as db:
            db.execute(ADD, (name,))
            tried.append(name)
            if full:
                db.execute("ROLLBACK")  # SQLite does it by itself then (sqlite.org/lang_transaction.html)
                raise sqlite3.OperationalError("database or disk is full")

    def write_three() -> None:
        with state.together():
            write("a")
            with suppress(sqlite3.OperationalError):
                write("b", full=True)
            with suppress(sqlite3.OperationalError):
                write("c")

    with pytest.raises(sqlite3.OperationalError):
        write_three()
    assert (tried, marks(state)) == (["a", "b"], set())
    write("d")
    assert marks(state) == {"d"}
