"""Paths: /lead and all below it is the lead's page."""

LEAD_PATH = "/lead"


def is_below(path: str, root: str) -> bool:
    """Whether `path` is `root` or lies below it; extra leading slashes are ignored."""
    path = "/" + path.lstrip("/")
    return path == root or path.startswith(f"{root}/")
