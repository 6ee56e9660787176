"""The API's version in its paths: /api/v1/next is /api/next. An ASGI layer outside of all that looks at paths.

A script names the version that it was written for. Paths without one are the page's own, and stay.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from review_ui.routes import root_of, route_of

VERSION = "v1"

_VERSIONED = f"/api/{VERSION}/"


class ApiVersion:
    """Passes requests on to `app`, those of this version without it in their path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and route_of(scope).startswith(_VERSIONED):
            path = f"{root_of(scope)}/api/{route_of(scope).removeprefix(_VERSIONED)}"
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)
