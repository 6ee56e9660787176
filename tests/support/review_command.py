"""`python -m review_ui` as a process on a port of its own, and a client for it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import patient_http


@contextmanager
def review_page(*options: str, environment: dict[str, str], directory: Path | None = None) -> Iterator[httpx.Client]:
    """Serve the page from `directory` while the context lasts."""
    command = [sys.executable, "-m", "review_ui", "--port", "0", "--no-browser", *options]
    with subprocess.Popen(command, cwd=directory, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found
            with patient_http.Client(base_url=found[0]) as client:
                yield client
        finally:
            server.terminate()
