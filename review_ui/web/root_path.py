"""Behind a proxy that shows the server below a path: an ASGI layer that gives every request its root path.

The proxy may hand on the whole path or cut the root path off; the layers inside see the whole one, as ASGI has it.
"""

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """Passes requests on to `app` with `root_path` in their scope; it has a leading slash and no trailing one."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path != self._root_path and not path.startswith(f"{self._root_path}/"):
            path = self._root_path + path
        if scope["type"] == "http" and path == self._root_path:  # the page's links are relative to the slash
            query = scope.get("query_string", b"").decode("latin-1")
            await RedirectResponse(f"{path}/{'?' if query else ''}{query}", 308)(scope, receive, send)
            return
        await self._app({**scope, "root_path": self._root_path, "path": path}, receive, send)
