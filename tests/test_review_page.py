"""The review page in a real browser, served by a real `python -m review_ui`, on real photographs."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from portrait_datasets import commit_pending

BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DOUBTS = tuple(1 - index / 12 for index in range(12))
START_SECONDS = 60
expect.set_options(timeout=15_000)  # a shared machine may be slow
HOLD = "**/media/**"


class Server:
    """`python -m review_ui` in a process of its own."""

    def __init__(self, root: Path, port: int = 0) -> None:
        self.root = root
        command = [sys.executable, "-m", "review_ui", "--manifests", str(root / "manifests"), "--port", str(port)]
        self._process = subprocess.Popen([*command, "--no-browser"], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.announcement = self._process.stdout.readline()
        self.url = re.search(r"http://127\.0\.0\.1:\d+", self.announcement)[0]

    @property
    def port(self) -> int:
        return urlsplit(self.url).port

    def get(self, path: str) -> dict:
        return httpx.get(self.url + path).raise_for_status().json()

    def decided(self) -> list[tuple[str, str, str | None]]:
        """(sample_id, verdict, reason), newest first."""
        history = self.get("/api/history?n=100")["decisions"]
        return [(entry["sample"]["sample_id"], entry["verdict"], entry["reason"]) for entry in history]

    def stop(self, number: int = signal.SIGTERM) -> None:
        self._process.send_signal(number)
        self._process.wait(START_SECONDS)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("needs a Chromium, which is not on PATH; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def twelve_waiting(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Path:
    """A directory with twelve real portraits waiting, to be copied."""
    root = tmp_path_factory.mktemp("twelve")
    commit_pending(root, portraits, DOUBTS)
    return root


@pytest.fixture
def start(tmp_path: Path, twelve_waiting: Path) -> Iterator[Callable[..., Server]]:
    """Starts a server on twelve waiting portraits in tmp_path; stopped after the test."""
    shutil.copytree(twelve_waiting, tmp_path, dirs_exist_ok=True)
    servers = []

    def start(port: int = 0) -> Server:
        servers.append(Server(tmp_path, port))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Iterator[Server]:
    """One server for the tests that don't mind what was decided before them."""
    root = tmp_path_factory.mktemp("review")
    commit_pending(root, portraits, (*DOUBTS, *DOUBTS))
    server = Server(root)
    yield server
    server.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab of a browser that never saw the page before."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    yield context.new_page()
    context.close()


def open_page(page: Page, server: Server) -> str:
    page.goto(server.url)
    return on_screen(page)


def on_screen(page: Page) -> str:
    """The sample that has been painted."""
    expect(page.locator("#sample")).to_have_attribute("data-painted", "true", timeout=20_000)
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


def saved(page: Page) -> None:
    expect(page.locator("#unsaved")).to_be_hidden(timeout=20_000)


def test_a_review_by_keys_and_buttons_ends_in_a_published_version(page, start):
    complaints, hosts = [], set()
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    server = start()
    ids = [sample["sample_id"] for sample in server.get("/api/next?n=100")["samples"]]
    progress, message = page.locator("#progress"), page.locator("#message")

    assert open_page(page, server) == ids[0]
    expect(progress).to_have_text("0 / 12")
    assert act(page, "a") == ids[1]
    expect(progress).to_have_text(re.compile(r"^1 / 12 · \d+\.\d s per mask$"))
    assert act(page, "x") == ids[2]
    page.keyboard.press("5")
    expect(page.locator("[data-reason=hair]")).to_have_attribute("aria-pressed", "true")
    assert act(page, " ") == ids[3]
    expect(page.locator("[data-reason=hair]")).to_be_disabled()
    assert act(page, "#accept") == ids[4]
    assert act(page, "#reject") == ids[5]
    page.click("[data-reason='missing part']")
    assert act(page, "#skip") == ids[6]
    assert act(page, "x") == ids[7]
    assert act(page, "Backspace") == ids[6]
    assert act(page, "a") == ids[7]
    assert act(page, "#undo") == ids[6]
    saved(page)
    expect(progress).to_contain_text("4 / 12")

    page.reload()
    assert on_screen(page) == ids[6]
    expect(progress).to_contain_text("4 / 12")
    assert act(page, "Backspace") == ids[5]  # the skip
    assert act(page, "Backspace") == ids[4]  # the reject and its reason
    expect(progress).to_contain_text("3 / 12")
    assert act(page, "x") == ids[5]
    for index in range(5, 11):
        assert act(page, "a") == ids[index + 1]
    assert act(page, "a") == ids[2]  # skipped before
    expect(progress).to_contain_text("11 / 12")

    page.click("#publish")
    expect(message).to_have_text(f"Published {server.root / 'manifests/v2.parquet'}")
    published = pq.read_table(server.root / "manifests/v2.parquet").to_pylist()
    verdicts = {row["sample_id"]: (row["status"], row["reason"], row["reviewers"]) for row in published}
    assert verdicts == {
        **{ids[index]: ("accepted", None, ["local"]) for index in (0, 3, 5, 6, 7, 8, 9, 10, 11)},
        ids[1]: ("rejected", "hair", ["local"]),
        ids[4]: ("rejected", None, ["local"]),
        ids[2]: ("pending", None, []),
    }
    assert all(0 <= row["decision_ms"] < 60_000 for row in published if row["status"] != "pending")

    assert on_screen(page) == ids[2]
    page.keyboard.press("a")
    expect(page.locator(".notice h2")).to_have_text("All reviewed")
    page.click(".notice [data-action=publish]")
    expect(page.locator(".notice h2")).to_have_text("All reviewed and published")
    assert {row["status"] for row in pq.read_table(server.root / "manifests/v3.parquet").to_pylist()} == {
        "accepted",
        "rejected",
    }
    assert complaints == []
    assert hosts <= {"127.0.0.1", None}  # None: data and blob addresses


def test_a_killed_server_loses_no_acknowledged_decision_and_the_page_sends_the_rest(page, start):
    server = start()
    first = open_page(page, server)
    second = act(page, "a")
    saved(page)
    fourth = server.get("/api/next?n=3")["samples"][2]
    decision = {"decision_id": str(uuid.uuid4()), "verdict": "reject", "decision_ms": 5}
    decision |= {name: fourth[name] for name in ("sample_id", "mask_sha256")}
    httpx.post(f"{server.url}/api/decisions", json={"decisions": [decision]}).raise_for_status()
    server.stop(signal.SIGKILL)

    third = act(page, "x")
    page.keyboard.press("2")
    act(page, "a")
    expect(page.locator("#unsaved")).to_have_text("3 unsaved")
    expect(page.locator("#message")).to_contain_text("the server can't be reached")
    server = start(server.port)
    saved(page)
    expect(page.locator("#message")).to_be_hidden()
    assert server.decided() == [
        (third, "accept", None),
        (second, "reject", "background included"),
        (fourth["sample_id"], "reject", None),
        (first, "accept", None),
    ]


def test_what_was_not_acknowledged_survives_a_reload(page, shared_server):
    page.route("**/api/decisions", lambda route: route.abort())
    sample = open_page(page, shared_server)
    act(page, "a")
    expect(page.locator("#unsaved")).to_have_text("1 unsaved")
    page.unroute("**/api/decisions")
    page.reload()
    assert on_screen(page) != sample
    saved(page)
    assert shared_server.decided()[0] == (sample, "accept", None)


def test_no_key_acts_before_the_picture_is_painted(page, shared_server):
    page.route(HOLD, lambda _route: None)  # neither answered nor refused: a slow network
    page.goto(shared_server.url)
    expect(page.locator("#progress")).not_to_have_text("…")
    before = shared_server.get("/api/next")["remaining"]
    for key in ("a", "x", " "):
        page.keyboard.press(key)
    expect(page.locator("#accept")).to_be_disabled()
    page.unroute(HOLD)  # what was held goes on
    on_screen(page)
    assert shared_server.get("/api/next")["remaining"] == before


def test_other_keys_decide_nothing(page, shared_server):
    sample = open_page(page, shared_server)
    for key in ("Control+a", "Alt+x", "Meta+a", "b", "1", "Enter"):
        page.keyboard.press(key)
        assert on_screen(page) == sample


def test_no_key_decides_while_the_help_is_open(page, shared_server):
    sample = open_page(page, shared_server)
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    for key in ("a", "x", "Backspace"):
        page.keyboard.press(key)
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_hidden()
    assert on_screen(page) == sample


def test_a_key_held_down_decides_once(page, shared_server):
    open_page(page, shared_server)
    done = shared_server.get("/api/next")["progress"]["done"]
    for _ in range(3):  # the second and third are the keyboard's auto-repeat
        page.keyboard.down("a")
        on_screen(page)
    page.keyboard.up("a")
    expect(page.locator("#progress")).to_contain_text(f"{done + 1} / ")
    saved(page)
    assert shared_server.get("/api/next")["progress"]["done"] == done + 1


def test_a_button_reached_with_tab_is_pressed_by_space(page, shared_server):
    sample = open_page(page, shared_server)
    page.focus("#reject")
    act(page, " ")
    saved(page)
    assert shared_server.decided()[0] == (sample, "reject", None)


def test_a_missing_picture_can_only_be_skipped(page, shared_server):
    sample = shared_server.get("/api/next?n=1")["samples"][0]
    page.route(f"**{sample['image_url']}", lambda route: route.fulfill(status=404))
    assert open_page(page, shared_server) == sample["sample_id"]
    expect(page.locator(".notice p")).to_contain_text("is missing on the server")
    page.keyboard.press("a")
    expect(page.locator("#accept")).to_be_disabled()
    act(page, " ")
    saved(page)
    assert shared_server.decided()[0] == (sample["sample_id"], "skip", None)


def test_a_refused_decision_is_shown(page, shared_server):
    refusal = {"stored": [], "refused": [{"decision_id": None, "error": "look at the new mask"}]}
    page.route("**/api/decisions", lambda route: route.fulfill(json=refusal))
    open_page(page, shared_server)
    act(page, "a")
    expect(page.locator("#message")).to_have_text("Not stored: look at the new mask")


def test_a_version_without_anything_to_review_says_so(page, shared_server):
    empty = {"samples": [], "remaining": 0, "progress": {"done": 0, "total": 0}, "manifest": "manifests/v1.parquet"}
    page.route("**/api/next*", lambda route: route.fulfill(json=empty))
    page.goto(shared_server.url)
    expect(page.locator(".notice h2")).to_have_text("Nothing to review")


def test_everything_is_in_view_without_scrolling(page, shared_server):
    open_page(page, shared_server)
    for width, height in ((1280, 720), (1920, 1080), (820, 1180)):
        page.set_viewport_size({"width": width, "height": height})
        for element in page.locator("#review button:visible, #review canvas:visible").all():
            box = element.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert box["y"] + box["height"] <= height


def test_the_overlay_tints_the_background_and_leaves_the_person_alone(page, shared_server):
    open_page(page, shared_server)
    sample = shared_server.get("/api/next?n=1")["samples"][0]
    differences = page.evaluate(COMPARE_WITH_PHOTOGRAPH, [sample["image_url"], sample["mask_url"]])
    assert differences["person"] < 4
    assert differences["background"] > 40


# Mean difference (0..255) between canvas and photograph, inside the mask and outside of it, away from its edge.
COMPARE_WITH_PHOTOGRAPH = """
async ([imageUrl, maskUrl]) => {
  const overlay = document.querySelector(".overlay");
  const pixels = (source) => {
    const context = new OffscreenCanvas(60, 80).getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(source, 0, 0, 60, 80);
    return context.getImageData(0, 0, 60, 80).data;
  };
  const load = async (url) => createImageBitmap(await (await fetch(url)).blob());
  const sources = [overlay, await load(imageUrl), await load(maskUrl)];
  const [shown, photo, mask] = sources.map(pixels);
  const sums = { person: [0, 0], background: [0, 0] };
  for (let i = 0; i < mask.length; i += 4) {
    const around = [-4, 0, 4, -240, 240, -8, 8, -480, 480].map((step) => mask[i + step]);
    const whole = [["person", 255], ["background", 0]].find(([, level]) => around.every((found) => found === level));
    if (!whole) continue;
    const side = whole[0];
    for (const channel of [0, 1, 2]) sums[side][0] += Math.abs(shown[i + channel] - photo[i + channel]);
    sums[side][1] += 3;
  }
  return { person: sums.person[0] / sums.person[1], background: sums.background[0] / sums.background[1] };
}
"""


@pytest.mark.parametrize("path", ["/monitoring/summary", "/gradio_api/runs", "/docs", "/openapi.json"])
def test_gradio_and_fastapi_show_nothing_of_themselves(shared_server, path):
    assert httpx.get(shared_server.url + path).status_code >= 400


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "review_ui", "--no-browser", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=START_SECONDS, check=False)


def test_a_taken_port_is_one_clear_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--port", port, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: expected port {port} on 127.0.0.1 to be free, found: Address already in use; "
        "choose another --port or --host\n"
    )


def test_a_missing_manifest_is_one_clear_line(tmp_path):
    for arguments in ((), ("--manifest", "manifests/v7.parquet")):
        done = run("--port", 0, *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr.startswith("error: expected a manifest ")


def test_a_missing_data_root_is_one_clear_line(tmp_path, portraits):
    commit_pending(tmp_path, portraits, (0.5,))
    done = run("--port", 0, "--data", "elsewhere", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "give the right one with --data" in done.stderr
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("arguments", [("--port", "x"), ("--port", "99999"), ("--nonsense",), ("v1",)])
def test_wrong_arguments_exit_with_2(tmp_path, arguments):
    assert run(*arguments, cwd=tmp_path).returncode == 2
