"""Requests that go through one thread, as many together as came in the meantime.

A thread for each request costs more than a short handler does: the hand-over, and all of them at one interpreter lock
and one database. A lane takes what is there, runs it in turn, and hands all answers back at once. The lane of writers
does so within one transaction, so that the answers go out after its one sync.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager

from gitsign_py.localstack.service import Response

MOST = 64
"""A stream of requests must not keep the first one waiting for ever."""
Work = Callable[[], Response]
_Waiting = tuple[Work, "asyncio.Future[Response]"]
Around = Callable[[], AbstractContextManager[object]]


class Lane:
    """Belongs to one event loop, which alone touches it; ``around`` is entered for all that runs together."""

    def __init__(self, executor: Executor, around: Around) -> None:
        self._executor, self._around = executor, around
        self._waiting: list[_Waiting] = []
        self._busy = False

    async def run(self, work: Work) -> Response:
        """The answer of ``work``, which raises nothing. Raises what the end of ``around`` does."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Response] = loop.create_future()
        self._waiting.append((work, answer))
        if not self._busy:
            self._begin(loop)
        return await answer

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._busy = True
        group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        running = loop.run_in_executor(self._executor, self._run, [work for work, _ in group])
        running.add_done_callback(lambda ended: self._end(loop, group, ended))

    def _run(self, group: list[Work]) -> list[Response]:
        with self._around():
            return [work() for work in group]

    def _end(
        self, loop: asyncio.AbstractEventLoop, group: list[_Waiting], ended: "asyncio.Future[list[Response]]"
    ) -> None:
        self._busy = False
        if self._waiting:  # before the answers are told: the thread works while they are sent
            self._begin(loop)
        for place, (_, answer) in enumerate(group):
            if answer.done():  # its client has gone
                continue
            if ended.cancelled():
                answer.cancel()
            elif error := ended.exception():
                answer.set_exception(error)
            else:
                answer.set_result(ended.result()[place])
