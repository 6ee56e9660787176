"""HEIC as phones write it, AVIF, JPEG XL, and the first bytes that tell an image."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from manifests.pixels import image_formats
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_formats import MissingReader, looks_like_image, register
from manifests.pixels.images import UnusableImage, decode_image
from manifests.pixels.masks import PERSON

ORIENTATION = 0x0112
JPEG_XL = b"\xff\x0a" + bytes(64)


def ramp() -> Image.Image:
    """RGB 64 x 96 (H, W): no flip or turn of it looks the same."""
    across = np.tile(np.linspace(0, 200, 96), (64, 1))
    down = np.tile(np.linspace(0, 200, 64)[:, np.newaxis], (1, 96))
    return Image.fromarray(np.dstack([across, down, np.full((64, 96), 40)]).astype(np.uint8))


@pytest.fixture(autouse=True)
def ours() -> None:
    """Our readers, whatever other packages have registered in this process since."""
    image_formats.register()


def heic(*images: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    file = pillow_heif.from_pillow(images[0])
    for image in images[1:]:
        file.add_from_pillow(image)
    file.save(buffer, quality=95, **options)
    return buffer.getvalue()


def saved(kind: str, image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def difference(found: Pixels, image: Image.Image) -> float:
    expected = np.asarray(image)
    assert found.shape == expected.shape
    return float(np.abs(found.astype(int) - expected).mean())


def test_a_phones_heic_is_read_in_its_colours() -> None:
    assert difference(decode_image(heic(ramp())), ramp()) < 2


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_270),
        (8, Image.Transpose.ROTATE_90),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
    ],
)
def test_a_heic_is_turned_upright_once(orientation: int, turn: Image.Transpose) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    assert difference(decode_image(heic(ramp(), exif=exif.tobytes())), ramp().transpose(turn)) < 2


def test_a_transparent_heic_lies_over_white() -> None:
    rgba = ramp().convert("RGBA")
    rgba.putalpha(0)
    rgba.paste(ramp(), (48, 0))
    assert (decode_image(heic(rgba))[:, :32] > PERSON - 5).all()


def test_a_damaged_heic_breaks_off_and_one_of_two_images_is_no_still() -> None:
    data = heic(ramp())
    for length in (20, 100, len(data) // 2, len(data) - 9):
        with pytest.raises(UnusableImage, match="truncated"):
            decode_image(data[:length])
    with pytest.raises(UnusableImage, match="found 2 frames"):
        decode_image(heic(ramp(), ramp()))


def test_the_readers_package_is_loaded_with_the_first_of_its_files_and_not_before() -> None:
    code = "import sys, manifests.pixels.images; sys.exit('pillow_heif' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_avif_is_read() -> None:
    assert difference(decode_image(saved("AVIF", ramp())), ramp()) < 4


@pytest.mark.parametrize(
    ("data", "module", "message"),
    [
        (JPEG_XL, "pillow_jxl", "found JPEG XL; pip install pillow-jxl-plugin, or convert it"),
        (b"\x00\x00\x00\x1cftypheic" + bytes(64), "pillow_heif", "found HEIC; pip install pillow-heif, or convert it"),
    ],
)
def test_without_its_reader_an_image_is_refused_with_the_package_to_install(
    monkeypatch: pytest.MonkeyPatch, data: bytes, module: str, message: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UnusableImage, match="not an image") as caught:
        decode_image(data)
    assert message in str(caught.value)
    assert isinstance(caught.value.__cause__, MissingReader)


def test_a_reader_of_jpeg_xl_that_is_installed_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pillow_jxl.py").write_text(  # registers itself when it is imported, as the package does
        f"""
import io
from PIL import Image

def opened(file, name):
    return Image.open(io.BytesIO({saved("PNG", ramp())!r}), formats=["PNG"])

Image.register_open("JXL", opened, lambda start: start[0] == 255)
"""
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(Image.OPEN, "JXL", Image.OPEN["JXL"])
    assert difference(decode_image(JPEG_XL), ramp()) == 0
    sys.modules.pop("pillow_jxl")


def test_registering_twice_changes_nothing() -> None:
    before = dict(Image.OPEN)
    register()
    assert before == Image.OPEN


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF"])
def test_an_image_is_told_by_its_first_bytes(kind: str) -> None:
    assert looks_like_image(saved(kind, ramp())[:16])


@pytest.mark.parametrize("start", [heic(ramp())[:16], JPEG_XL[:16], b"\x00\x00\x00\x0cJXL \r\n\x87\n"])
def test_so_is_one_of_another_reader(start: bytes) -> None:
    assert looks_like_image(start)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"B",
        b"BMW drives fast.",
        b"Photos by Ada...",
        b"P6",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"\x00\x00\x00\x18ftypmp42",
    ],
)
def test_other_files_are_not_taken_for_images(start: bytes) -> None:
    assert not looks_like_image(start)
