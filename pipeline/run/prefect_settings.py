"""Whether Prefect's settings name a server, without loading Prefect where they plainly don't: that takes seconds."""

import os
from pathlib import Path

# Where Prefect 3 reads settings from, and a word of each that any of ours in it needs.
_FILES = {
    Path("~/.prefect/profiles.toml"): "api",
    Path("prefect.toml"): "api",
    Path("pyproject.toml"): "tool.prefect",
    Path(".env"): "prefect_",
}
_VARIABLES = {"PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH", "PREFECT_HOME"}


def names_a_server() -> bool:
    """Whether PREFECT_API_URL has a value, in the environment, the profile, prefect.toml, pyproject.toml or .env."""
    if not _may_name_a_server():
        return False
    silence_prefect()
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value() is not None


def silence_prefect() -> None:
    """Leave reports of failures to run_command, in one line; Prefect reads the level when it is imported."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")


def _may_name_a_server() -> bool:
    return bool(_VARIABLES & os.environ.keys()) or any(
        _contains(path.expanduser(), word) for path, word in _FILES.items()
    )


def _contains(path: Path, word: str) -> bool:
    """Whether the file holds the word; one that can't be read may."""
    try:
        return word in path.read_text().lower()
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
