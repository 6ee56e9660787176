"""A tab that can reach one server alone, and remembers whatever else it asked for or complained about."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, Route


class WatchedPage:
    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.foreign: list[str] = []  # URLs of other servers, none of which was let through
        self.errors: list[str] = []
        page.context.route(lambda url: not url.startswith((f"{origin}/", "data:", "blob:")), self._refuse)
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _refuse(self, route: Route) -> None:
        self.foreign.append(route.request.url)
        route.abort()


@contextmanager
def watched_page(browser: Browser, origin: str, **options: Any) -> Iterator[WatchedPage]:
    context = browser.new_context(**options)
    yield WatchedPage(context.new_page(), origin)
    context.close()
