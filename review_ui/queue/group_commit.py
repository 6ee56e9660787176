"""The desk between the web and the session: one thread serves, so that forty don't queue for one lock.

Requests that arrive while a transaction is under way go into the next one together (group commit): a commit to disk
costs about the same for one decision as for fifty.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

from review_ui.queue.messages import Assignment, DecisionResult, NextRequest
from review_ui.queue.session import ReviewSession
from review_ui.reviewer import Reviewer

P = ParamSpec("P")
Result = TypeVar("Result")
Request = TypeVar("Request")


class Desk:
    """Calls a session's methods from an event loop, in the order of the requests."""

    def __init__(self, session: ReviewSession) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="session")
        self._decisions = _Counter(self, session.decide_all)
        self._wishes = _Counter(self, session.next_all)

    async def call(self, method: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
        """What `method` of the session returns or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(method, *arguments, **options))

    async def decide(self, reviewer: Reviewer, batch: Sequence[Any]) -> DecisionResult:
        """As ReviewSession.decide, together with what others send at this moment."""
        return await self._decisions.ask((reviewer, batch))

    async def next(self, wish: NextRequest) -> Assignment:
        """As ReviewSession.next, together with what others ask for at this moment."""
        return await self._wishes.ask(wish)


class _Counter(Generic[Request, Result]):
    """Requests of one kind: all that wait are served at once, by a method that takes several."""

    def __init__(self, desk: Desk, serve_all: Callable[[list[Request]], list[Result]]) -> None:
        self._desk = desk
        self._serve_all = serve_all
        self._waiting: list[tuple[Request, asyncio.Future[Result]]] = []
        self._serving: asyncio.Task[None] | None = None

    async def ask(self, request: Request) -> Result:
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
        return await answer

    async def _serve(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting, []
            try:
                results = await self._desk.call(self._serve_all, [request for request, _ in taken])
            except Exception as error:  # told to each who waits for it
                for _, answer in taken:
                    _settle(answer, error)
            else:
                for (_, answer), result in zip(taken, results, strict=True):
                    _settle(answer, result)
        self._serving = None


def _settle(answer: asyncio.Future[Result], outcome: Result | Exception) -> None:
    if answer.done():  # who asked has gone away
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
