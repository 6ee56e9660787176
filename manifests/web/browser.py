"""A browser window of this machine."""

import os
import sys
import webbrowser


def open_browser(url: str) -> None:
    """Open a window at the URL; nothing without a terminal, or without a desktop to open it on."""
    desktop = sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if sys.stdout.isatty() and desktop:
        webbrowser.open(url)
