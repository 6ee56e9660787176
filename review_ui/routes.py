"""Paths: /lead and all below it is the lead's page, /app the Gradio app; a proxy's root path may stand before both."""

from starlette.types import Scope

LEAD_PATH = "/lead"
APP_PATH = "/app"


def is_below(path: str, root: str) -> bool:
    """Whether `path` is `root` or lies below it; extra leading slashes are ignored."""
    path = "/" + path.lstrip("/")
    return path == root or path.startswith(f"{root}/")


def root_of(scope: Scope) -> str:
    """The root path, such as /masks, that browsers see before every path of this server; empty without a proxy's."""
    root: str = scope.get("root_path", "")
    return root


def route_of(scope: Scope) -> str:
    """The request's path below the root path."""
    return str(scope["path"]).removeprefix(root_of(scope))
