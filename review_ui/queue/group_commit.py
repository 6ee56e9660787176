"""Group commit: one thread between the web and the session, so that forty requests don't queue for one lock.

Requests that arrive during a transaction share the next one: a commit to disk costs about the same for one decision
as for fifty.
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


class GroupCommit:
    """Calls a session's methods from an event loop, in the order of the requests."""

    def __init__(self, session: ReviewSession) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="session")
        self._decisions = _Batcher(self, session.decide_all)
        self._next: _Batcher[NextRequest, Assignment] = _Batcher(self, session.next_all)

    async def call(self, method: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
        """Run a method of the session in its thread; return or raise what it does."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(method, *arguments, **options))

    async def decide(self, reviewer: Reviewer, batch: Sequence[Any]) -> DecisionResult:
        """Store a reviewer's decisions, in one transaction with those that other requests send now."""
        return await self._decisions.ask((reviewer, batch))

    async def next(self, request: NextRequest) -> Assignment:
        """Assign samples to a tab, in one transaction with the other requests that wait now."""
        return await self._next.ask(request)


class _Batcher(Generic[Request, Result]):
    """Collect requests of one kind; all that wait are served by one call of `serve_all`."""

    def __init__(
        self, group_commit: GroupCommit, serve_all: Callable[[list[Request]], Sequence[Result | Exception]]
    ) -> None:
        self._group_commit = group_commit
        self._serve_all = serve_all
        self._waiting: list[tuple[Request, asyncio.Future[Result]]] = []
        self._serving: asyncio.Task[None] | None = None

    async def ask(self, request: Request) -> Result:
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, result))
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
        return await result

    async def _serve(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                results = await self._group_commit.call(self._serve_all, [request for request, _ in batch])
            except Exception as error:  # each request of the batch gets it
                for _, future in batch:
                    _settle(future, error)
            else:
                for (_, future), result in zip(batch, results, strict=True):
                    _settle(future, result)
        self._serving = None


def _settle(future: asyncio.Future[Result], result: Result | Exception) -> None:
    if future.done():  # its request was cancelled
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
