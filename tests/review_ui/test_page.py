"""The review page in a real browser, served by a real `python -m review_ui`, on real photographs."""

import json
import re
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import patient_http
import pyarrow.parquet as pq
import pytest
from forked_commands import run_review_ui
from playwright.sync_api import Page, expect
from portrait_datasets import commit_pending, import_portraits, relabel
from review_browser import (
    HOSTS,
    Server,
    act,
    handed_out,
    on_screen,
    open_page,
    saved,
)

from manifests.store.manifest import ManifestStore

DOUBTS = tuple(1 - index / 12 for index in range(12))
HOLD = "**/media/**"
UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


@pytest.fixture(scope="module")
def twelve_waiting(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Path:
    """A directory with twelve real portraits waiting, to be copied."""
    root = tmp_path_factory.mktemp("twelve")
    commit_pending(root, portraits, DOUBTS)
    return root


@pytest.fixture
def start(tmp_path: Path, twelve_waiting: Path) -> Iterator[Callable[..., Server]]:
    """Starts a server, on twelve waiting portraits in tmp_path if not elsewhere; stopped after the test."""
    shutil.copytree(twelve_waiting, tmp_path, dirs_exist_ok=True)
    servers = []

    def start(port: int = 0, root: Path = tmp_path) -> Server:
        servers.append(Server(root, port))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Iterator[Server]:
    """One server for the tests that don't mind what was decided before them."""
    root = tmp_path_factory.mktemp("review")
    commit_pending(root, portraits, DOUBTS * 12)  # a closed tab keeps 16 for a while
    server = Server(root)
    yield server
    server.stop()


@pytest.mark.parametrize("host", HOSTS)
def test_a_review_by_keys_and_buttons_ends_in_a_published_version(page, start, host):
    complaints, hosts = [], set()
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    server = start()
    ids = [sample["sample_id"] for sample in handed_out(page, server, host)]
    progress, message = page.locator("#progress"), page.locator("#message")

    assert on_screen(page) == ids[0]
    expect(progress).to_have_text("0 / 12")
    assert act(page, "a") == ids[1]
    expect(progress).to_have_text(re.compile(r"^1 / 12 · \d+\.\d s per mask$"))
    assert act(page, "x") == ids[2]
    page.keyboard.press("5")
    expect(page.locator("[data-reason=hair]")).to_have_attribute("aria-pressed", "true")
    assert act(page, " ") == ids[3]
    expect(page.locator(".reasons")).to_be_hidden()
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
    expect(page.locator("#publish-part p")).to_contain_text("1 of 12 masks have no verdict yet")
    page.click("#publish-part [value=cancel]")
    assert not (server.root / "manifests/v2.parquet").exists()
    page.click("#publish")
    page.click("#publish-part [value=publish]")
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


@pytest.mark.slow
def test_a_killed_server_loses_no_acknowledged_decision_and_the_page_sends_the_rest(page, start):
    server = start()
    fourth = handed_out(page, server)[3]
    first = on_screen(page)
    second = act(page, "a")
    saved(page)
    decision = {"decision_id": str(uuid.uuid4()), "verdict": "reject", "decision_ms": 5}
    decision |= {name: fourth[name] for name in ("sample_id", "mask_sha256")}
    patient_http.post(f"{server.url}/api/decisions", json={"decisions": [decision]}).raise_for_status()
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
    before = shared_server.decided()
    for key in ("a", "x", " "):
        page.keyboard.press(key)
    expect(page.locator("#accept")).to_be_disabled()
    page.unroute(HOLD)  # what was held goes on
    on_screen(page)
    saved(page)
    assert shared_server.decided() == before


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
    sample = open_page(page, shared_server)
    before = shared_server.decided()
    for _ in range(3):  # the second and third are the keyboard's auto-repeat
        page.keyboard.down("a")
        on_screen(page)
    page.keyboard.up("a")
    saved(page)
    assert shared_server.decided() == [(sample, "accept", None), *before]


def test_a_button_reached_with_tab_is_pressed_by_space(page, shared_server):
    sample = open_page(page, shared_server)
    page.focus("#reject")
    act(page, " ")
    saved(page)
    assert shared_server.decided()[0] == (sample, "reject", None)


def test_a_missing_picture_can_only_be_skipped(page, shared_server):
    sample = handed_out(page, shared_server)[0]
    page.route(f"**{sample['image_url']}", lambda route: route.fulfill(status=404))
    page.reload()
    assert on_screen(page) == sample["sample_id"]
    expect(page.locator(".notice p")).to_contain_text("is missing on the server")
    page.keyboard.press("a")
    expect(page.locator("#accept")).to_be_disabled()
    act(page, " ")
    saved(page)
    assert shared_server.decided()[0] == (sample["sample_id"], "skip", None)


def test_a_refused_decision_stays_in_a_list_until_it_is_dismissed(page, start):
    server = start()
    first, second, third, *_ = handed_out(page, server)
    act(page, "a")
    saved(page)
    relabel(ManifestStore(server.root / "manifests"), second["sample_id"], mask_of=third["sample_id"])
    patient_http.post(f"{server.url}/api/publish").raise_for_status()
    assert on_screen(page) == second["sample_id"]
    act(page, "x")
    expect(page.locator("#message span")).to_have_text(re.compile("^Not stored: .* look at the new mask$"))
    expect(page.locator(".strip button")).to_have_count(1)
    page.reload()
    on_screen(page)
    expect(page.locator("#refused summary")).to_have_text("1 not stored")
    page.click("#refused summary")
    line = re.compile(f"^rejected on {second['sample_id'][:8]}: .* look at the new mask$")
    expect(page.locator("#refused li span")).to_have_text(line)
    page.click("#refused li button")
    expect(page.locator("#refused")).to_be_hidden()
    assert server.decided() == [(first["sample_id"], "accept", None)]


# What the page sends while it goes away is seen by nobody outside of it.
NOTE_REQUESTS = """
const send = window.fetch;
window.fetch = (url, options) => {
  if (options?.method === "POST") localStorage[`sent:${performance.now()}`] = JSON.stringify([url, options.body]);
  return send(url, options);
};
"""


def test_decisions_carry_one_id_per_tab_and_a_page_that_goes_gives_its_samples_back(page, shared_server):
    asked, hosts = [], set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    page.on("request", lambda request: asked.append(request.url) if "/api/next" in request.url else None)
    page.add_init_script(NOTE_REQUESTS)
    open_page(page, shared_server)
    act(page, "a")
    saved(page)
    page.reload()
    on_screen(page)
    noted = page.evaluate(
        "Object.keys(localStorage).filter((key) => key.startsWith('sent:')).map((key) => localStorage[key])"
    )
    sent = {urlsplit(url).path: json.loads(body) for url, body in map(json.loads, noted)}
    [decision] = sent["/api/decisions"]["decisions"]
    assert UUID.match(decision["tab"])
    assert decision["mode"] == "single"
    assert sent["/api/release"] == {"tab": decision["tab"]}
    assert {tab for url in asked for tab in parse_qs(urlsplit(url).query)["tab"]} == {decision["tab"]}
    assert hosts <= {"127.0.0.1", None}


def test_a_duplicated_tab_has_an_id_of_its_own(page, shared_server):
    def tab_of(tab: Page, opened: str) -> str:
        with tab.expect_request(lambda request: "/api/next" in request.url) as asked:
            tab.goto(opened)
        return parse_qs(urlsplit(asked.value.url).query)["tab"][0]

    first = tab_of(page, shared_server.url)
    with page.expect_popup() as popup:  # it starts with a copy of sessionStorage, as a duplicated tab does
        page.evaluate("window.open('/healthz')")
    assert tab_of(popup.value, shared_server.url) != first


def test_a_version_without_anything_to_review_says_so(page, start, tmp_path_factory, portraits):
    root = tmp_path_factory.mktemp("truth")
    import_portraits(root, portraits, 2)
    page.goto(start(root=root).url)
    expect(page.locator(".notice h2")).to_have_text("Nothing to review")


def test_everything_is_in_view_without_scrolling(page, shared_server):
    open_page(page, shared_server)
    act(page, "x")
    for size in ((1280, 720), (1920, 1080), (820, 1180)):
        page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
        assert out_of_view(page) == []
        page.keyboard.press("g")
        expect(page.locator(".grid")).to_have_attribute("data-painted", "true")
        assert out_of_view(page) == []
        page.keyboard.press("g")
        on_screen(page)


def out_of_view(page: Page) -> list[str]:
    """The ids or texts of the visible buttons and canvases that the window doesn't show whole, two frames from now."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.locator("#review :is(button, canvas, a, input):visible").evaluate_all(
        """elements => elements.filter((element) => {
          const { left, top, right, bottom } = element.getBoundingClientRect();
          return left < 0 || top < 0 || right > innerWidth || bottom > innerHeight;
        }).map(({ id, textContent }) => id || textContent)"""
    )


@pytest.mark.parametrize("path", ["/monitoring/summary", "/gradio_api/runs", "/docs", "/openapi.json"])
def test_gradio_and_fastapi_show_nothing_of_themselves(shared_server, path):
    assert patient_http.get(shared_server.url + path).status_code >= 400


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run_review_ui(["--no-browser", *map(str, arguments)], cwd=cwd)


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
