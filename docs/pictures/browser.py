"""What the pictures have in common: their directory, Chromium, and servers in processes of their own."""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

DESKTOP: ViewportSize = {"width": 1280, "height": 720}
TABLET: ViewportSize = {"width": 820, "height": 1180}
PHONE: ViewportSize = {"width": 390, "height": 844}


def output_directory(arguments: Sequence[str], description: str | None) -> Path:
    """Parse the arguments of a script; its --output, made where it is missing."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="directory for the pictures")
    output: Path = parser.parse_args(arguments).output
    output.mkdir(parents=True, exist_ok=True)
    return output


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


def open_page(browser: Browser, url: str, *, size: ViewportSize = DESKTOP, dark: bool = False) -> Page:
    """A page in a context of its own; with touch where the size is not DESKTOP."""
    touch = size is not DESKTOP
    scheme: Literal["dark", "light"] = "dark" if dark else "light"
    page = browser.new_context(viewport=size, color_scheme=scheme, has_touch=touch, is_mobile=touch).new_page()
    page.goto(url)
    return page


def run(module: str, *options: object) -> None:
    """Run `python -m MODULE`; CalledProcessError when it fails."""
    subprocess.run([sys.executable, "-m", module, *map(str, options)], check=True)


@contextmanager
def served(module: str, *options: object, cwd: Path | None = None) -> Iterator[str]:
    """`python -m MODULE`, a server that prints its address: that address."""
    command = [sys.executable, "-m", module, *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=cwd) as server:
        try:
            yield _address(server)
        finally:
            server.terminate()


def _address(server: "subprocess.Popen[str]") -> str:
    for line in server.stdout or ():
        announced = re.search(r"http://[\d.:]+", line)
        if announced:
            return announced[0]
    sys.exit("expected the server to print its address, found that it stopped; see above")
