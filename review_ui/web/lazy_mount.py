"""A part of the site that is built on its first request.

Gradio takes five seconds to import, and only its own pages need it: reviewers get their first sample meanwhile.
Meanwhile, a browser that asks for the page gets one line that says so, and reloads by itself.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from review_ui.routes import is_below, route_of
from review_ui.web.reloading_page import reloading_page

logger = logging.getLogger(__name__)

_SOON = reloading_page("One moment: the page is being prepared.")
_FAILED = reloading_page("This page can't be shown; the server's console says why. Reload to try again.", reloads=False)


class LazyMount:
    """Passes requests for `path` and everything below it to the app of `build`, all others to `app`.

    With `is_for`, only the requests of whom it admits. `meanwhile` makes the page, HTML that reloads by itself, which a
    browser gets while the app is being built.
    """

    def __init__(
        self,
        app: ASGIApp,
        path: str,
        build: Callable[[], FastAPI],
        *,
        is_for: Callable[[Scope], bool] = lambda _: True,
        meanwhile: Callable[[], str] = lambda: _SOON,
    ) -> None:
        self._app = app
        self._path = path
        self._build = build
        self._is_for = is_for
        self._meanwhile = meanwhile
        self._waiting_page: asyncio.Task[str] | None = None  # made once
        self._building: asyncio.Task[FastAPI] | None = None
        self._running = AsyncExitStack()  # the page's own start and end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            async with self._running:
                await self._app(scope, receive, send)
        elif is_below(route_of(scope), self._path) and self._is_for(scope):
            answer = await self._page(scope)
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _page(self, scope: Scope) -> ASGIApp:
        """The page; while it is being built, a browser gets another one."""
        wants_html = scope["type"] == "http" and "text/html" in Headers(scope=scope).get("accept", "")
        if self._building and self._building.done() and (error := self._building.exception()):
            logger.error("%s can't be built", self._path, exc_info=error)
            self._building = None  # the next request tries again
            if wants_html:
                return HTMLResponse(_FAILED, 500, {"Cache-Control": "no-store"})
        if wants_html and not (self._building and self._building.done()):
            self._waiting_page = self._waiting_page or asyncio.create_task(self._make_waiting_page())
            html = await asyncio.shield(self._waiting_page)  # first: building takes the processor
            self._building = self._building or asyncio.create_task(self._start())
            return HTMLResponse(html, headers={"Cache-Control": "no-store"})
        self._building = self._building or asyncio.create_task(self._start())
        return await asyncio.shield(self._building)  # a cancelled request doesn't stop the build

    async def _make_waiting_page(self) -> str:
        """The page of `meanwhile`; one line when that fails, for the app itself may well work."""
        try:
            return await asyncio.to_thread(self._meanwhile)
        except Exception:  # whatever it is, it is logged and no browser waits for it
            logger.exception("%s has no page to show while it is being built", self._path)
            return _SOON

    async def _start(self) -> FastAPI:
        page = await asyncio.to_thread(self._build)
        await self._running.enter_async_context(page.router.lifespan_context(page))
        return page
