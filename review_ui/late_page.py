"""A part of the site that is built when somebody first asks for it.

Gradio takes five seconds to import, and only the lead's page needs it: reviewers get their first sample meanwhile.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send


class LatePage:
    """Passes requests for `path` and everything below it to what `build` makes, all others to `app`."""

    def __init__(self, app: ASGIApp, path: str, build: Callable[[], FastAPI]) -> None:
        self._app = app
        self._path = path
        self._build = build
        self._page: asyncio.Task[FastAPI] | None = None
        self._running = AsyncExitStack()  # the page's own start and end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            async with self._running:
                await self._app(scope, receive, send)
        elif self._is_below(scope["path"]):
            await (await self._ready())(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_below(self, path: str) -> bool:
        return path == self._path or path.startswith(f"{self._path}/")

    async def _ready(self) -> FastAPI:
        if self._page is None or (self._page.done() and self._page.exception()):  # a build that failed is tried again
            self._page = asyncio.create_task(self._start())
        return await asyncio.shield(self._page)  # who asked may go away; the page is built all the same

    async def _start(self) -> FastAPI:
        page = await asyncio.to_thread(self._build)
        await self._running.enter_async_context(page.router.lifespan_context(page))
        return page
