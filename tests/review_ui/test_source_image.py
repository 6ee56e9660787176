"""The whole source image around a sample, and a large sample at its own pixels: API and page."""

import hashlib
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import patient_http
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from portrait_datasets import commit_pending
from review_browser import Server, on_screen, open_page, until

from manifests.files.blobs import BlobStore
from manifests.pixels.images import decode_image
from manifests.pixels.masks import encode_mask
from manifests.store.manifest import ManifestStore

WIDTH, HEIGHT = 2000, 1000  # of the source image
X, Y = 1200, 300  # of the sample in it


def around(root: Path, photograph: Path) -> None:
    """Let the one sample of the dataset be cut out of a large image, which lies at `photograph`."""
    store, blobs = ManifestStore(root / "manifests"), BlobStore(root / "data")

    def cut_out(table, _version):
        [row] = table.to_pylist()
        whole = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        whole[Y : Y + row["height"], X : X + row["width"]] = decode_image(blobs.read(row["image"], row["image_sha256"]))
        Image.fromarray(whole).save(photograph)
        row |= {"source_uri": str(photograph), "source_sha256": hashlib.sha256(photograph.read_bytes()).hexdigest()}
        row |= {"roi_x": X, "roi_y": Y}
        return type(table).from_pylist([row], schema=table.schema)

    store.update(cut_out, operation="relabel", parameters={}, data_root=root / "data")


@pytest.fixture
def server(tmp_path: Path, portraits: Path) -> Iterator[Server]:
    commit_pending(tmp_path, portraits, [0.5])
    around(tmp_path, tmp_path / "street.png")
    server = Server(tmp_path)
    yield server
    server.stop()


def ask(server: Server) -> tuple[dict, httpx.Response]:
    [sample] = patient_http.get(f"{server.url}/api/next").json()["samples"]
    keys = {name: sample[name] for name in ("sample_id", "mask_sha256")}
    return sample, patient_http.get(f"{server.url}/api/source", params=keys)


def test_the_source_image_comes_small_with_the_samples_frame(server: Server) -> None:
    sample, answer = ask(server)
    found = answer.raise_for_status().json()
    assert (found["width"], found["height"]) == (WIDTH, HEIGHT)
    assert found["roi"] == {"x": X, "y": Y, "w": sample["width"], "h": sample["height"]}
    assert decode_image(b64decode(found["image"])).shape == (800, 1600, 3)


def test_an_image_that_moved_or_changed_is_named(server: Server) -> None:
    photograph = server.root / "street.png"
    photograph.write_bytes(photograph.read_bytes() + b"more")
    _, answer = ask(server)
    assert answer.status_code == 409
    assert answer.json()["error"].startswith("expected the source image as it was labelled, found other bytes in")
    photograph.unlink()
    assert ask(server)[1].json()["error"].endswith("street.png (No such file or directory)")


def test_where_gold_is_mixed_in_there_is_none(tmp_path: Path, portraits: Path) -> None:
    commit_pending(tmp_path, portraits, [0.5])
    server = Server(tmp_path, 0, "--gold-rate", "0.1", errors=tmp_path / "errors")
    _, answer = ask(server)
    server.stop()
    assert (answer.status_code, answer.json()["error"]) == (
        409, "expected a queue without gold, found one; source images would give it away",
    )  # fmt: skip


def test_a_key_opens_the_whole_image_and_closes_it(page: Page, server: Server) -> None:
    open_page(page, server)
    page.keyboard.press("o")
    expect(page.locator("#whole p")).to_have_text(f"street.png · {WIDTH} × {HEIGHT} · the sample is 240 × 320 of it")
    until(page, "document.querySelector('mask-review').shadowRoot.querySelector('#whole img').naturalWidth === 1600")
    image, frame = page.locator("#whole img").bounding_box(), page.locator("#whole .frame").bounding_box()
    scale = image["width"] / WIDTH
    assert frame["x"] - image["x"] == pytest.approx(X * scale, abs=1)
    assert frame["y"] - image["y"] == pytest.approx(Y * scale, abs=1)
    assert frame["width"] == pytest.approx(240 * scale, abs=1)
    page.keyboard.press("a")  # no verdict while it is open
    page.keyboard.press("o")
    expect(page.locator("#whole")).to_be_hidden()
    assert server.decided() == []
    (server.root / "street.png").unlink()
    page.click("#whole-image")
    expect(page.locator("#message")).to_contain_text("No whole image: expected a readable file, found")


CONTRAST = """() => {
  const canvas = document.querySelector("mask-review").shadowRoot.querySelector(".overlay");
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(width / 2 - 40, height / 2 - 40, 80, 80);
  const greens = [];
  for (let i = 1; i < data.length; i += 4) greens.push(data[i]);
  const mean = greens.reduce((sum, value) => sum + value, 0) / greens.length;
  return Math.sqrt(greens.reduce((sum, value) => sum + (value - mean) ** 2, 0) / greens.length);
}"""


def test_the_zoom_shows_a_large_samples_own_pixels(page: Page, tmp_path: Path, portraits: Path) -> None:
    commit_pending(tmp_path, portraits, [0.5])
    blobs = BlobStore(tmp_path / "data")
    board = ((np.indices((3000, 4000)).sum(0) % 2) * 255).astype(np.uint8)  # gone in any smaller picture

    def enlarge(table, _version):
        [row] = table.to_pylist()
        buffer = tmp_path / "board.png"
        Image.fromarray(board).convert("RGB").save(buffer)
        image = blobs.put(buffer.read_bytes(), ".png")
        mask = np.zeros(board.shape, np.uint8)
        mask[:, 2600:] = 255
        blob = blobs.put(encode_mask(mask), ".png")
        row |= {"image": image.path, "image_sha256": image.sha256, "mask": blob.path, "mask_sha256": blob.sha256}
        row |= {"width": 4000, "height": 3000, "roi_w": 4000, "roi_h": 3000}
        return type(table).from_pylist([row], schema=table.schema)

    ManifestStore(tmp_path / "manifests").update(enlarge, operation="relabel", parameters={}, data_root=blobs.root)
    server = Server(tmp_path)
    try:
        open_page(page, server)
        box = page.locator(".overlay").bounding_box()
        page.mouse.move(box["x"] + 0.85 * box["width"], box["y"] + 0.5 * box["height"])
        page.mouse.wheel(0, -3000)
        expect(page.locator("#sample")).to_have_attribute("data-pixels", "4000")
        page.wait_for_timeout(200)
        assert page.evaluate(CONTRAST) > 25  # 4 without its own pixels
        page.keyboard.press("z")
        on_screen(page)
    finally:
        server.stop()
