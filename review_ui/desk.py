"""The desk between the web and the session: one thread serves, so that forty don't queue for one lock.

Decisions that arrive while a commit is under way go into the next one together (group commit): a commit to disk
costs about the same for one decision as for fifty.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from review_ui.reviewer import Reviewer
from review_ui.session import Receipt, ReviewSession

P = ParamSpec("P")
Result = TypeVar("Result")


class Desk:
    """Calls a session's methods from an event loop, in the order of the requests."""

    def __init__(self, session: ReviewSession) -> None:
        self._session = session
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="session")
        self._waiting: list[tuple[Reviewer, Sequence[Any], asyncio.Future[Receipt]]] = []
        self._storing: asyncio.Task[None] | None = None

    async def call(self, method: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
        """What `method` of the session returns or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(method, *arguments, **options))

    async def decide(self, reviewer: Reviewer, batch: Sequence[Any]) -> Receipt:
        """As ReviewSession.decide, together with what others send at this moment."""
        answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append((reviewer, batch, answer))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store())
        return await answer

    async def _store(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting, []
            try:
                receipts = await self.call(self._session.decide_all, [(who, batch) for who, batch, _ in taken])
            except Exception as error:  # told to each who waits for it
                for _, _, answer in taken:
                    _settle(answer, error)
            else:
                for (_, _, answer), receipt in zip(taken, receipts, strict=True):
                    _settle(answer, receipt)
        self._storing = None


def _settle(answer: asyncio.Future[Receipt], outcome: Receipt | Exception) -> None:
    if answer.done():  # who asked has gone away
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
