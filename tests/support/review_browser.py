"""The review page in a real Chromium, served by a real `python -m review_ui`: what its tests have in common."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import patient_http
import pytest
from forked_commands import ForkedCommand
from playwright.sync_api import Browser, BrowserType, Page, expect, sync_playwright

BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 60
LANDSCAPE = {"width": 1280, "height": 720}
HOSTS = ("/", pytest.param("/app/", marks=pytest.mark.slow))  # the pages that hold the viewer: plain, and Gradio
expect.set_options(timeout=30_000)  # a shared machine may be slow


class Server:
    """`python -m review_ui` in a process of its own, with its libraries imported before."""

    def __init__(self, root: Path, port: int = 0, *options: str, errors: Path | None = None) -> None:
        """`options` are more of the command's; what it complains about goes to the file `errors`, if given."""
        self.root = root
        self.errors = errors
        places = ["--manifests", str(root / "manifests"), "--port", str(port)]
        self._process = self._started([*places, "--no-browser", *options])
        assert self._process.stdout
        self.announcement = self._process.stdout.readline()
        self.url = re.search(r"http://127\.0\.0\.1:\d+", self.announcement)[0]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def port(self) -> int:
        return urlsplit(self.url).port

    def decided(self) -> list[tuple[str, str, str | None]]:
        """(sample_id, verdict, reason), newest first."""
        history = patient_http.get(f"{self.url}/api/history?n=200").raise_for_status().json()["decisions"]
        return [(entry["sample"]["sample_id"], entry["verdict"], entry["reason"]) for entry in history]

    def stop(self, number: int = signal.SIGTERM) -> None:
        self._process.send_signal(number)
        self._process.wait(START_SECONDS)
        self._process.stdout.close()

    def _started(self, arguments: list[str]) -> "ForkedCommand | subprocess.Popen[str]":
        return ForkedCommand("review_ui", arguments, self.errors)


class CommandServer(Server):
    """The command as a user starts it, with its own line in the list of processes and its own memory."""

    def _started(self, arguments: list[str]) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "review_ui", *arguments]
        with self.errors.open("w") if self.errors else nullcontext() as complaints:
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, text=True)


def served_copy(dataset: Path, root: Path, *options: str) -> Iterator[Server]:
    """The body of a fixture: a server on a copy, in `root`, of a dataset that several tests begin with."""
    shutil.copytree(dataset, root, dirs_exist_ok=True)
    server = Server(root, 0, *options)
    yield server
    server.stop()


def chromium() -> Iterator[Browser]:
    """The body of a fixture."""
    with sync_playwright() as playwright:
        yield from launched(playwright.chromium)


def launched(kind: BrowserType, *arguments: str) -> Iterator[Browser]:
    """A Chromium with more `arguments`; one Playwright, and so one `kind`, serves all browsers of a process."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not path:
        pytest.skip("needs a Chromium, which is not on PATH; on Debian: apt-get install chromium")
    browser = kind.launch(executable_path=path, args=[*BROWSER_ARGUMENTS, *arguments])
    yield browser
    browser.close()


def new_page(browser: Browser, **options: Any) -> Iterator[Page]:
    """The body of a fixture: a tab of a browser that never saw the page before."""
    context = browser.new_context(**{"viewport": LANDSCAPE, **options})
    yield context.new_page()
    context.close()


def by_keyboard(page: Page, name: str, password: str) -> None:
    """Fill in the sign-in form."""
    expect(page.locator("#name")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(password)
    page.keyboard.press("Enter")


def open_page(page: Page, server: Server, host: str = "/") -> str:
    page.goto(f"{server.url}{host}")
    return on_screen(page)


def handed_out(page: Page, server: Server, host: str = "/") -> list[dict[str, Any]]:
    """Open the page; the samples that its tab got, in their order."""
    with page.expect_response(lambda response: "/api/next" in response.url, timeout=60_000) as answer:
        page.goto(f"{server.url}{host}")
    return answer.value.json()["samples"]


def on_screen(page: Page) -> str:
    """The sample that has been painted."""
    expect(page.locator("#sample")).to_have_attribute("data-painted", "true", timeout=90_000)
    return page.locator("#sample").get_attribute("data-sample-id")


def act(page: Page, key_or_button: str) -> str:
    """Press a key, or click a button named by its #id; the sample on screen afterwards."""
    before = on_screen(page)
    if key_or_button.startswith("#"):
        page.click(key_or_button)
    else:
        page.keyboard.press(key_or_button)
    expect(page.locator("#sample")).not_to_have_attribute("data-sample-id", before)
    return on_screen(page)


def open_editor(page: Page, opener: str = "e") -> None:
    """Press a key, or click a button named by its #id, and wait until the mask can be drawn on."""
    if opener.startswith("#"):
        page.click(opener)
    else:
        page.keyboard.press(opener)
    expect(page.locator(".editor")).to_be_visible()
    expect(page.locator("#fix")).to_be_enabled()


def place_of(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of a 240x320 mask stands on the page, while the editor shows the whole picture."""
    box = page.locator(".editor").bounding_box()
    scale = 0.94 * min(box["width"] / 240, box["height"] / 320)
    left, top = (box["width"] - 240 * scale) / 2, (box["height"] - 320 * scale) / 2
    return box["x"] + left + x * scale, box["y"] + top + y * scale


def until(page: Page, condition: str) -> None:
    """Wait for a condition in JavaScript; Playwright's own wait polls by `eval`, which the page's policy forbids."""
    page.evaluate(f"async () => {{ while (!({condition})) await new Promise(requestAnimationFrame); }}")


def saved(page: Page) -> None:
    expect(page.locator("#unsaved")).to_be_hidden(timeout=20_000)
