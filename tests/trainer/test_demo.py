"""`python -m trainer.demo`: its page in a real Chromium that reaches nothing but this server; and what it keeps."""

import base64
import gc
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import patient_http
import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import Browser, expect
from repository import ROOT
from skimage import data
from watched_page import WatchedPage, watched_page

from manifests.errors import UserError
from manifests.pixels.masks import PERSON_PROB, mask_from_prob
from manifests.web.address import listen, url_of
from trainer.demo.cards import Contestant, judge, open_contestants, results_html
from trainer.demo.page import compare_upload, demo_app
from trainer.device import pick_device
from trainer.weights.checkpoint_files import STARTER_PATH

# Gradio opens an uploaded picture, and event loops, and leaves closing them to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")

START_SECONDS = 120
SHOWN_MS = 60_000


@pytest.fixture(scope="module", autouse=True)
def gradio_is_collected_here() -> Iterator[None]:
    """Its garbage is none of another file's, whose tests take a warning for an error."""
    yield
    gc.collect()


WITHOUT_GRADIO = """
import sys
import trainer.fit.loop, trainer.predict.__main__, trainer.demo.__main__, trainer.demo.cards, trainer.web_demo.__main__
print([name for name in ("gradio", "prefect") if name in sys.modules])
"""


@pytest.fixture(scope="module")
def contestants(tmp_path_factory: pytest.TempPathFactory) -> list[Contestant]:
    """The starter, and the same network fitted under another name."""
    run = tmp_path_factory.mktemp("runs") / "second"
    run.mkdir()
    shutil.copy(STARTER_PATH, run)
    return open_contestants([STARTER_PATH, run], pick_device("cpu"))


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def url(contestants: list[Contestant], uploads: Path) -> Iterator[str]:
    """The app, answering in a thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(uploads))
        app = demo_app(contestants, ["127.0.0.1"])
        listener = listen("127.0.0.1", 0)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield url_of(listener)
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def shown(browser: Browser, url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedPage]:
    """The page after the astronaut was brought."""
    path = tmp_path_factory.mktemp("pictures") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    with watched_page(browser, url) as watched:
        watched.page.goto(url)
        watched.page.set_input_files("#picture input[type=file]", path, timeout=SHOWN_MS)
        expect(watched.page.locator(".card")).to_have_count(2, timeout=SHOWN_MS)
        yield watched


def embedded(shown: WatchedPage, selector: str) -> list[np.ndarray]:
    """RGBA of the pictures in the page."""
    found = []
    for source in shown.page.locator(selector).evaluate_all("images => images.map((image) => image.src)"):
        with Image.open(io.BytesIO(base64.b64decode(source.partition("base64,")[2]))) as image:
            found.append(np.asarray(image.convert("RGBA")))
    return found


def test_both_networks_show_their_masks(shown: WatchedPage, contestants: list[Contestant]):
    tints = embedded(shown, ".tint")
    assert len(tints) == 2
    for tint, contestant in zip(tints, contestants, strict=True):
        prob = contestant.predictor.person_prob(data.astronaut())
        assert (tint[..., 3] == mask_from_prob(prob)).all()
        card = shown.page.get_by_role("article", name=contestant.name)
        expect(card).to_contain_text(f"{100 * np.mean(prob >= PERSON_PROB):.1f} % person")
        expect(card).to_contain_text(re.compile(r"\d ms"))


def test_a_cut_out_is_as_opaque_as_the_mask(shown: WatchedPage):
    for cutout, tint in zip(embedded(shown, ".cutout img"), embedded(shown, ".tint"), strict=True):
        assert (cutout[..., 3] == tint[..., 3]).all()


def test_no_request_leaves_the_server_and_nothing_complains(shown: WatchedPage):
    # Gradio may still be sending the upload's preview when it is deleted: the browser then tells that it broke off
    errors = [error for error in shown.errors if "ERR_CONTENT_LENGTH_MISMATCH" not in error]
    assert (shown.foreign, errors) == ([], [])


def test_an_uploaded_picture_is_gone_once_it_is_shown(shown: WatchedPage, uploads: Path):
    assert shown.page.locator(".card").count() == 2
    assert [path for path in uploads.rglob("*") if path.is_file()] == []


def test_the_slider_sets_the_overlay_without_asking_the_server(shown: WatchedPage):
    asked = []
    shown.page.on("request", lambda request: asked.append(request.url))
    shown.page.locator("#opacity input[type=range]").press("Home")
    expect(shown.page.locator(".tint").first).to_have_css("opacity", "0")
    shown.page.locator("#opacity input[type=range]").press("End")
    expect(shown.page.locator(".tint").last).to_have_css("opacity", "1")
    assert asked == []


def test_the_example_needs_no_upload(shown: WatchedPage):
    shown.page.locator(".card").evaluate_all("cards => cards.forEach((card) => card.remove())")
    shown.page.get_by_role("button", name="Try an example").click()
    expect(shown.page.locator(".card")).to_have_count(2, timeout=SHOWN_MS)


def test_it_has_no_monitoring_and_answers_to_its_own_name_alone(url: str):
    assert patient_http.get(f"{url}/").is_success
    assert not patient_http.get(f"{url}/monitoring/summary").is_success
    assert not patient_http.get(f"{url}/gradio_api/monitoring/summary").is_success
    assert patient_http.get(f"{url}/", headers={"Host": "rebound.example.org"}).status_code == 400


def test_a_damaged_upload_is_refused_in_one_line_and_deleted(tmp_path: Path, contestants: list[Contestant]):
    path = tmp_path / "half.png"
    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue()[:5000])
    assert 'role="alert">truncated: ' in compare_upload(str(path), contestants)
    assert not path.exists()


def test_milliseconds_and_share_are_those_of_the_whole_picture():
    class HalfIsPerson:
        digest = "half"

        def person_prob(self, rgb: np.ndarray) -> np.ndarray:
            prob = np.zeros(rgb.shape[:2], np.float32)
            prob[:, : rgb.shape[1] // 2] = 1
            return prob

    ticks = iter([1.0, 1.025])
    outcome = judge(HalfIsPerson(), np.zeros((1000, 4096, 3), np.uint8), lambda: next(ticks))
    assert outcome.milliseconds == pytest.approx(25)
    assert outcome.person_fraction == 0.5
    assert outcome.mask.shape == (250, 1024)


def test_a_network_that_is_sure_of_nothing_is_called_unsure():
    class Unsure:
        digest = "unsure"

        def person_prob(self, rgb: np.ndarray) -> np.ndarray:
            return np.full(rgb.shape[:2], 0.45, np.float32)

    black = np.zeros((8, 8, 3), np.uint8)
    assert judge(Unsure(), black).unsure_fraction == 1.0
    html = results_html(black, [Contestant("new", 1000, Unsure())])
    assert "Unsure of 100 % of the pixels" in html


def test_networks_of_one_name_are_told_apart_by_their_paths(tmp_path: Path):
    paths = [tmp_path / name for name in ("a/net.safetensors", "b/net.safetensors", "starter.safetensors")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        shutil.copy(STARTER_PATH, path)
    opened = open_contestants([STARTER_PATH, *paths], pick_device("cpu"))
    assert [one.name for one in opened] == ["starter", *map(str, paths)]


def test_a_missing_network_is_said_before_the_page_starts(tmp_path: Path):
    with pytest.raises(UserError, match="nothing"):
        open_contestants([tmp_path / "nothing.safetensors"], pick_device("cpu"))


@pytest.mark.slow
def test_trainer_loads_no_gradio():
    found = subprocess.run([sys.executable, "-c", WITHOUT_GRADIO], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_command_leaves_nothing_behind(tmp_path: Path):
    command = [sys.executable, "-m", "trainer.demo", "--port", "0", "--device", "cpu"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as server:
        announcement = server.stdout.readline()
        assert httpx.get(re.search(r"http://127\.0\.0\.1:\d+", announcement)[0], timeout=30).is_success
        assert len(list(tmp_path.glob("maskfoundry-demo-*"))) == 1
        server.send_signal(signal.SIGTERM)
        assert server.wait(START_SECONDS) == 0
    assert list(tmp_path.glob("maskfoundry-demo-*")) == []
