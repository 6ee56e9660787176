"""Which paths are whose: /lead and all below it is the lead's page, which is Gradio's."""

LEAD_PATH = "/lead"


def is_below(path: str, root: str) -> bool:
    """Whether `path` is `root` or lies below it; slashes too many in front don't make it another one."""
    path = "/" + path.lstrip("/")
    return path == root or path.startswith(f"{root}/")
