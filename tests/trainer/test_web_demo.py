"""`python -m trainer.web_demo`: its page in a real Chromium that can reach nothing but a plain static server."""

import base64
import contextlib
import functools
import io
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import ExifTags, Image
from playwright.sync_api import Browser, Page, expect
from red_network import red_is_person
from review_browser import launched
from skimage import data
from watched_page import WatchedPage, watched_page

from manifests.errors import UserError
from manifests.pixels.images import decode_image
from manifests.pixels.masks import PERSON_LEVEL, mask_from_prob
from manifests.pixels.onnx_segmenter import OnnxSegmenter
from trainer.web_demo import __main__ as web_demo
from trainer.web_demo import onnxruntime_web

PHONE = {"width": 390, "height": 844}
LOAD_MS = 60_000  # 14 MB of WebAssembly are compiled; a second on a quiet machine


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[str]:
    """The URL of an ordinary static server."""
    handler = functools.partial(_Silent, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Standard error is for failures."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command builds of the starter; skipped where npm's package can't be had."""
    try:
        onnxruntime_web.runtime_files(None, onnxruntime_web.registry_in_use())
    except UserError as error:
        if isinstance(error.__cause__, requests.ConnectionError):
            pytest.skip(str(error))
        raise
    directory = tmp_path_factory.mktemp("web") / "site"
    web_demo.main(["--checkpoint", "starter", "--output", str(directory)])
    return directory


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    with serving(site) as url:
        yield url


@pytest.fixture(scope="module")
def astronaut_png(tmp_path_factory: pytest.TempPathFactory, astronaut: Image.Image) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "astronaut.png"
    astronaut.save(path)
    return path


@pytest.fixture(scope="module")
def shown(browser: Browser, url: str, astronaut_png: Path) -> Iterator[WatchedPage]:
    """The page after the astronaut was chosen, at a phone's width."""
    with watched_page(browser, url, viewport=PHONE) as watched:
        open_page(watched.page, url)
        bring(watched.page, astronaut_png)
        yield watched


def open_page(page: Page, url: str) -> None:
    page.goto(f"{url}/")
    expect(page.locator("#stage")).to_have_attribute("data-state", "ready", timeout=LOAD_MS)


def bring(page: Page, path: Path) -> None:
    page.set_input_files("#file", path)
    expect(page.locator("#stage")).to_have_attribute("data-state", "done", timeout=LOAD_MS)


def pixels(page: Page, view: str) -> np.ndarray:
    """RGBA (H, W, 4) of what the page shows in `view`."""
    page.get_by_role("radio", name=view, exact=True).check()
    encoded = page.evaluate("document.getElementById('picture').toDataURL('image/png')").partition(",")[2]
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        return np.asarray(image.convert("RGBA"))


def expected_mask(site: Path, picture: bytes) -> np.ndarray:
    """What Python's ONNX Runtime makes of the same file."""
    return mask_from_prob(OnnxSegmenter(site / "network.onnx").person_prob(decode_image(picture)).clip(0, 1))


def test_its_mask_is_the_one_that_python_gives(shown: WatchedPage, site: Path, astronaut_png: Path):
    mask, expected = pixels(shown.page, "Mask")[..., 0], expected_mask(site, astronaut_png.read_bytes())
    assert np.mean((mask >= PERSON_LEVEL) == (expected >= PERSON_LEVEL)) >= 0.995
    assert np.abs(mask.astype(int) - expected).max() <= 3
    assert 0.3 < np.mean(mask >= PERSON_LEVEL) < 0.7  # an empty mask would agree with an empty one


def test_it_asks_for_nothing_but_its_own_files_and_has_no_complaints(shown: WatchedPage):
    assert shown.foreign == []
    assert shown.errors == []


def test_it_says_share_and_milliseconds(shown: WatchedPage):
    share = np.mean(pixels(shown.page, "Mask")[..., 0] >= PERSON_LEVEL)
    result = shown.page.get_by_role("status")
    expect(result).to_contain_text(f"{100 * share:.1f} % person")
    expect(result).to_contain_text("512 × 512 px")
    expect(result).to_contain_text("ms")


def test_the_cut_out_is_as_opaque_as_the_mask(shown: WatchedPage):
    mask, cutout = pixels(shown.page, "Mask")[..., 0], pixels(shown.page, "Cut-out")
    assert np.abs(cutout[..., 3].astype(int) - mask).max() <= 1
    opaque = mask == 255
    assert np.abs(cutout[opaque, :3].astype(int) - data.astronaut()[opaque]).max() <= 1


def test_the_blurred_background_keeps_the_person_sharp(shown: WatchedPage):
    mask, blurred = pixels(shown.page, "Mask")[..., 0], pixels(shown.page, "Blurred background")[..., :3]
    change = np.abs(blurred.astype(int) - data.astronaut()).mean(axis=2)
    assert change[mask == 255].max() <= 1
    assert change[mask < 10].mean() > 10


def test_opacity_tints_the_person_alone(shown: WatchedPage):
    mask = pixels(shown.page, "Mask")[..., 0]
    slider, changes = shown.page.get_by_label("Opacity of the overlay"), []
    for key in ("Home", "End"):
        shown.page.get_by_role("radio", name="Overlay").check()
        slider.press(key)
        changes.append(np.abs(pixels(shown.page, "Overlay")[..., :3].astype(int) - data.astronaut()).mean(axis=2))
    none, full = changes
    assert none.max() == 0
    assert full[mask == 255].mean() > 50
    assert full[mask < 2].max() <= 2


def test_views_are_changed_by_arrow_keys(shown: WatchedPage):
    shown.page.get_by_role("radio", name="Overlay").focus()
    for view in ("cutout", "blur", "mask", "overlay"):
        shown.page.keyboard.press("ArrowDown")
        expect(shown.page.locator("#stage")).to_have_attribute("data-view", view)


def test_every_control_has_a_name_and_takes_the_focus(shown: WatchedPage):
    page = shown.page
    page.locator("body").evaluate("document.activeElement.blur()")
    page.get_by_role("radio", name="Overlay").check()
    wanted = [
        page.get_by_label("Choose an image"),
        page.get_by_role("button", name="Use the camera"),
        page.get_by_role("button", name="Try an example"),
        page.get_by_role("radio", name="Overlay"),
        page.get_by_label("Opacity of the overlay"),
        page.get_by_role("button", name="Save as PNG"),
    ]
    wanted[0].focus()
    for control in wanted:
        expect(control).to_be_focused()
        page.keyboard.press("Tab")


def test_it_fits_a_phone(shown: WatchedPage):
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_small_tall_picture_with_exif_gives_pythons_mask(shown: WatchedPage, site: Path, tmp_path: Path):
    """One side is enlarged for the network, the other shrunk; and the camera was held sideways."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    picture = Image.fromarray(data.astronaut()[:300, 150:330]).transpose(Image.Transpose.ROTATE_90)
    path = tmp_path / "tall.png"
    picture.save(path, exif=exif)
    bring(shown.page, path)
    expect(shown.page.get_by_role("status")).to_contain_text("180 × 300 px")
    mask, expected = pixels(shown.page, "Mask")[..., 0], expected_mask(site, path.read_bytes())
    assert mask.shape == expected.shape
    assert np.mean((mask >= PERSON_LEVEL) == (expected >= PERSON_LEVEL)) >= 0.995


def test_a_file_that_is_no_picture_is_refused_in_one_sentence(shown: WatchedPage, tmp_path: Path):
    path = tmp_path / "notes.png"
    path.write_bytes(b"not a picture")
    bring(shown.page, path)
    expect(shown.page.get_by_role("alert")).to_contain_text("Expected an image that this browser can show")


def test_the_example_comes_with_the_page(browser: Browser, url: str):
    with watched_page(browser, url, viewport=PHONE, color_scheme="dark") as watched:
        open_page(watched.page, url)
        watched.page.get_by_role("button", name="Try an example").click()
        expect(watched.page.get_by_role("status")).to_contain_text("512 × 512 px", timeout=LOAD_MS)
        with watched.page.expect_download() as download:
            watched.page.get_by_role("button", name="Save as PNG").click()
        with Image.open(download.value.path()) as saved:
            assert saved.format == "PNG"
            assert saved.size == (512, 512)
        assert (watched.foreign, watched.errors) == ([], [])


@pytest.mark.slow
def test_the_camera_is_segmented_until_it_is_stopped(
    browser: Browser, url: str, tmp_path: Path, astronaut: Image.Image
):
    film = tmp_path / "astronaut.mjpeg"
    frame = io.BytesIO()
    astronaut.save(frame, "JPEG", quality=90)
    film.write_bytes(frame.getvalue() * 3)
    arguments = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    with_camera = launched(browser.browser_type, *arguments, f"--use-file-for-fake-video-capture={film}")
    with watched_page(next(with_camera), url) as watched:
        page = watched.page
        open_page(page, url)
        page.get_by_role("button", name="Use the camera").click()
        expect(page.get_by_role("status")).to_contain_text("px", timeout=LOAD_MS)
        assert 0.3 < np.mean(pixels(page, "Mask")[..., 0] >= PERSON_LEVEL) < 0.7
        page.get_by_role("button", name="Stop the camera").click()
        expect(page.get_by_role("button", name="Use the camera")).to_be_visible()
        assert page.evaluate("document.getElementById('video').srcObject") is None
        assert (watched.foreign, watched.errors) == ([], [])
    next(with_camera, None)


def test_the_directory_says_its_size_and_its_own_name_last(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    web_demo.main(["--checkpoint", str(site / "network.onnx"), "--output", str(tmp_path / "again")])
    lines = capsys.readouterr().out.splitlines()
    files = [path for path in (tmp_path / "again").rglob("*") if path.is_file()]
    assert lines[-2].split(" bytes")[0].strip() == f"{sum(path.stat().st_size for path in files):,}"
    assert lines[-1] == str(tmp_path / "again")
    assert {path.name for path in files} >= {"index.html", "network.onnx", "LICENSE", "ThirdPartyNotices.txt"}
    assert (tmp_path / "again/network.onnx").read_bytes() == (site / "network.onnx").read_bytes()


def test_a_directory_with_other_files_is_left_alone(tmp_path: Path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(UserError, match="found other files"):
        web_demo.main(["--checkpoint", "starter", "--output", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_somebody_elses_network_is_refused(tmp_path: Path):
    red = red_is_person(tmp_path / "red.onnx")
    with pytest.raises(UserError, match=r"a file that trainer.export wrote"):
        web_demo.main(["--checkpoint", str(red), "--output", str(tmp_path / "site")])
    assert not (tmp_path / "site").exists()


# ONNX Runtime Web


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_altered_runtime_is_refused(site: Path, tmp_path: Path):
    for name in onnxruntime_web.DIGESTS:
        built = site / "onnxruntime" / name.replace(".mjs", ".js")
        (tmp_path / name).write_bytes(built.read_bytes())
    given = onnxruntime_web.runtime_files(tmp_path, "unused")
    assert given.keys() == {*onnxruntime_web.DIGESTS, *onnxruntime_web.LICENCES}
    with (tmp_path / "ort.wasm.bundle.min.mjs").open("ab") as file:
        file.write(b"fetch('http://example.org')")
    with pytest.raises(UserError, match=r"found another ort\.wasm\.bundle\.min\.mjs"):
        onnxruntime_web.runtime_files(tmp_path, "unused")


@pytest.mark.usefixtures("no_cache")
def test_another_package_from_the_registry_is_refused(tmp_path: Path):
    package = tmp_path / "onnxruntime-web/-"
    package.mkdir(parents=True)
    (package / f"onnxruntime-web-{onnxruntime_web.VERSION}.tgz").write_bytes(b"another")
    with serving(tmp_path) as registry, pytest.raises(UserError, match=r"does not match the known hash"):
        onnxruntime_web.runtime_files(None, f"{registry}/")


def test_a_registry_without_the_package_is_named(no_cache: Path, tmp_path: Path):
    with serving(tmp_path) as registry, pytest.raises(UserError, match=rf"{registry}.*404.*--onnxruntime-web"):
        onnxruntime_web.runtime_files(None, registry)
    assert not list(no_cache.rglob("*.tgz"))


def test_the_registry_is_the_one_npm_is_set_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("npm_config_registry", raising=False)
    monkeypatch.setenv("NPM_CONFIG_USERCONFIG", str(tmp_path / "npmrc"))
    assert onnxruntime_web.registry_in_use() == "https://registry.npmjs.org"
    (tmp_path / "npmrc").write_text("; a comment\nfund=false\nregistry = https://npm.example.org/\n")
    assert onnxruntime_web.registry_in_use() == "https://npm.example.org/"
    monkeypatch.setenv("npm_config_registry", "https://other.example.org")
    assert onnxruntime_web.registry_in_use() == "https://other.example.org"
