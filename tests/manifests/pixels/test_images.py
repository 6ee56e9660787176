"""Blobs keep their bytes; `decode_image` gives the right pixels or a reason; masks survive their codec."""

import io
import random
import struct
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from manifests.errors import UserError
from manifests.files.blobs import Blob, BlobError, BlobStore, sha256_hex
from manifests.pixels import images
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import UnusableImage, decode_image, encode_jpeg, upright_size
from manifests.pixels.mask_values import read_mask_values
from manifests.pixels.masks import decode_mask, encode_mask, mask_from_prob

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
JPEG_TOLERANCE = 8  # of 255, on flat areas


def encoded(image: Image.Image, picture_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, picture_format, **options)
    return buffer.getvalue()


def corners(width: int = 64, height: int = 48) -> Pixels:
    """An RGB picture that looks different after every turn: red, green / blue, white."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2] = RED
    rgb[: height // 2, width // 2 :] = GREEN
    rgb[height // 2 :, : width // 2] = BLUE
    rgb[height // 2 :, width // 2 :] = WHITE
    return rgb


def corner_colours(rgb: Pixels) -> list[list[int]]:
    """The colours well inside the four quarters, in reading order."""
    height, width = rgb.shape[:2]
    return [rgb[y, x].tolist() for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares its size and holds no pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return header + struct.pack(">I", 1_000_000) + b"IDAT"


# Blobs


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "data")


def test_a_blob_is_named_by_the_digest_of_its_bytes(blobs: BlobStore) -> None:
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of b"abc", FIPS 180-2
    blob = blobs.put(b"abc", ".png")
    assert blob == Blob(f"blobs/ba/{digest}.png", digest)
    assert blobs.read(blob.path, blob.sha256) == b"abc"


def test_the_same_bytes_twice_are_one_file(blobs: BlobStore) -> None:
    assert blobs.put(b"abc", ".jpg") == blobs.put(b"abc", ".jpg")
    assert [path.read_bytes() for path in blobs.root.rglob("*.*") if path.suffix] == [b"abc"]


def test_the_same_bytes_from_many_threads_are_one_file(blobs: BlobStore) -> None:
    together = threading.Barrier(8)

    def put(_: int) -> Blob:
        together.wait()
        return blobs.put(b"pixels" * 10_000, ".jpg")

    with ThreadPoolExecutor(8) as pool:
        stored = set(pool.map(put, range(8)))
    assert len(stored) == 1
    assert [path.name for path in blobs.root.rglob("*.*") if path.suffix] == [f"{stored.pop().sha256}.jpg"]


def test_a_blob_written_by_another_meanwhile_is_no_error(blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = blobs.put(b"abc", ".jpg")
    monkeypatch.setattr(Path, "exists", lambda _: False)  # as it looked before the other writer came
    assert blobs.put(b"abc", ".jpg") == blob


def test_another_suffix_is_refused(blobs: BlobStore) -> None:
    with pytest.raises(ValueError, match="expected a suffix of"):
        blobs.put(b"abc", ".exe")


def test_an_altered_blob_is_named(blobs: BlobStore) -> None:
    blob = blobs.put(b"abc", ".jpg")
    blobs.path(blob.path).write_bytes(b"abd")
    with pytest.raises(BlobError, match=f"expected .*{blob.sha256}.jpg to have the SHA-256 {blob.sha256}, found a52d"):
        blobs.read(blob.path, blob.sha256)


def test_a_missing_blob_is_named(blobs: BlobStore) -> None:
    with pytest.raises(BlobError, match=r"expected the blob .*blobs/ab/abc\.jpg, found nothing"):
        blobs.read("blobs/ab/abc.jpg", "abc")


@pytest.mark.parametrize("root", [".", "..", "data", "/srv/data"])
@pytest.mark.parametrize(
    "path", ["blobs/\0", "../secret", "blobs/../../secret", "/etc/passwd", "../data-of-others/x", "../../x"]
)
def test_a_path_out_of_the_data_root_is_refused(root: str, path: str) -> None:
    with pytest.raises(BlobError, match="expected a blob path under"):
        BlobStore(Path(root)).path(path)


@pytest.mark.parametrize("root", [".", "..", "data", "/srv/data"])
def test_a_path_in_the_data_root_is_taken(root: str) -> None:
    assert BlobStore(Path(root)).path("blobs/ab/abc.jpg") == Path(root) / "blobs/ab/abc.jpg"


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_blob_is_found_by_its_digest(blobs: BlobStore, suffix: str) -> None:
    blob = blobs.put(b"abc", suffix)
    assert blobs.find(blob.sha256) == blobs.root / blob.path


def test_what_is_no_blob_is_not_found(blobs: BlobStore) -> None:
    blobs.put(b"abc", ".jpg")
    (blobs.root / "secret.jpg").write_bytes(b"abc")
    assert blobs.find(sha256_hex(b"abd")) is None
    assert blobs.find("../../secret") is None
    assert blobs.find("") is None


# Images: pixels


@pytest.mark.parametrize(
    ("picture_format", "options"),
    [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("PPM", {}), ("WEBP", {"lossless": True}), ("JPEG", {"quality": 95})],
)
def test_every_usual_format_gives_its_pixels(picture_format: str, options: dict[str, Any]) -> None:
    rgb = decode_image(encoded(Image.fromarray(corners()), picture_format, **options))
    assert (rgb.shape, rgb.dtype) == ((48, 64, 3), np.uint8)
    assert np.abs(np.array(corner_colours(rgb)) - [RED, GREEN, BLUE, WHITE]).max() <= JPEG_TOLERANCE


def test_a_gif_of_one_frame_is_a_picture() -> None:
    rgb = decode_image(encoded(Image.fromarray(corners()), "GIF"))
    assert corner_colours(rgb) == [list(RED), list(GREEN), list(BLUE), list(WHITE)]


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    grey = np.repeat(np.array([0, 257, 128 * 257, 200 * 257, 65535], np.uint16), 10)
    rgb = decode_image(encoded(Image.fromarray(np.tile(grey, (40, 1))), "PNG"))
    assert rgb[20, ::10].tolist() == [[0] * 3, [1] * 3, [128] * 3, [200] * 3, [255] * 3]


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG"])
def test_grey_becomes_equal_channels(picture_format: str) -> None:
    rgb = decode_image(encoded(Image.new("L", (40, 40), 77), picture_format))
    assert rgb.shape == (40, 40, 3)
    assert np.unique(rgb).tolist() == [77]


def test_a_bitmap_becomes_black_and_white() -> None:
    rgb = decode_image(encoded(Image.new("1", (40, 40), 1), "PNG"))
    assert np.unique(rgb).tolist() == [255]


def test_the_colours_of_a_cmyk_jpeg_are_right() -> None:
    ink = np.zeros((48, 64, 4), np.uint8)  # cyan, magenta, yellow, black
    ink[:24, :32] = (0, 255, 255, 0)  # red is magenta and yellow
    ink[:24, 32:] = (255, 0, 255, 0)
    ink[24:, :32] = (255, 255, 0, 0)
    rgb = decode_image(encoded(Image.fromarray(ink, "CMYK"), "JPEG", quality=95))
    assert np.abs(np.array(corner_colours(rgb)) - [RED, GREEN, BLUE, WHITE]).max() <= JPEG_TOLERANCE


def test_transparency_is_laid_over_white() -> None:
    rgba = np.zeros((40, 40, 4), np.uint8)
    rgba[:, :, 0] = 255
    rgba[:20, :, 3] = 255
    rgba[20:30, :, 3] = 51  # a fifth of red over four fifths of white
    rgb = decode_image(encoded(Image.fromarray(rgba), "PNG"))
    assert [rgb[row, 5].tolist() for row in (10, 25, 35)] == [[255, 0, 0], [255, 204, 204], [255, 255, 255]]


def test_a_transparent_palette_colour_is_white() -> None:
    image = Image.new("P", (40, 40), 0)
    image.putpalette([*RED, *GREEN])
    image.paste(1, (0, 0, 40, 20))
    rgb = decode_image(encoded(image, "PNG", transparency=0))
    assert [rgb[row, 5].tolist() for row in (10, 30)] == [list(GREEN), list(WHITE)]


# EXIF 2.3, section 4.6.4 A: where the stored first row and first column lie in the upright picture
UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("picture_format", ["PNG", "TIFF", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_the_exif_orientation_is_applied(orientation: int, picture_format: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options: dict[str, Any] = {"lossless": True} if picture_format == "WEBP" else {}
    rgb = decode_image(encoded(Image.fromarray(corners()), picture_format, exif=exif, **options))
    expected = UPRIGHT[orientation](corners())
    assert rgb.shape == expected.shape
    assert np.abs(np.array(corner_colours(rgb)) - corner_colours(expected)).max() <= JPEG_TOLERANCE


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x09garbage"]
)
def test_a_damaged_exif_block_does_not_spoil_the_pixels(exif: bytes) -> None:
    rgb = decode_image(encoded(Image.fromarray(corners()), "JPEG", quality=95, exif=exif))
    assert np.abs(np.array(corner_colours(rgb)) - [RED, GREEN, BLUE, WHITE]).max() <= JPEG_TOLERANCE


def test_the_jpeg_written_back_carries_no_metadata() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    given = encoded(Image.fromarray(corners()), "JPEG", exif=exif, comment=b"at home", icc_profile=b"profile")
    assert b"Maker" in given
    written = encode_jpeg(decode_image(given))
    assert not dict(Image.open(io.BytesIO(written)).getexif())
    assert set(Image.open(io.BytesIO(written)).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert b"Exif" not in written


def test_the_same_pixels_give_the_same_jpeg() -> None:
    assert encode_jpeg(corners()) == encode_jpeg(corners().copy())


def test_a_jpeg_with_a_second_view_behind_it_is_a_picture() -> None:
    view = Image.fromarray(corners())
    phone = encoded(view, "MPO", save_all=True, append_images=[view.transpose(Image.Transpose.ROTATE_180)])
    assert np.abs(np.array(corner_colours(decode_image(phone)))[0] - RED).max() <= JPEG_TOLERANCE


@pytest.mark.parametrize(("width", "height"), [(32, 32), (32, 500)])
def test_a_small_picture_is_usable_from_32_pixels_on(width: int, height: int) -> None:
    assert decode_image(encoded(Image.new("RGB", (width, height)), "PNG")).shape == (height, width, 3)


# Images: reasons


def animated(picture_format: str) -> bytes:
    frames = [Image.new("RGB", (40, 40), colour) for colour in (RED, GREEN, BLUE)]
    return encoded(frames[0], picture_format, save_all=True, append_images=frames[1:])


UNUSABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "zero bytes": (lambda: b"", "empty file"),
    "text": (lambda: b"<html>404 Not Found</html>\n" * 20, "not an image"),
    "random bytes": (lambda: random.Random(0).randbytes(5000), "not an image"),
    "PostScript, which Pillow would hand to Ghostscript": (
        lambda: encoded(Image.new("RGB", (40, 40)), "EPS"),
        "not an image",
    ),
    "JPEG's first bytes": (lambda: b"\xff\xd8\xff\xe0\x00\x10JFIF", "truncated"),
    "PNG cut in half": (lambda: _halved(encoded(Image.effect_noise((60, 60), 90), "PNG")), "truncated"),
    "WebP cut in half": (lambda: _halved(encoded(Image.effect_noise((60, 60), 90), "WEBP")), "truncated"),
    "animated GIF": (lambda: animated("GIF"), "animated"),
    "animated PNG": (lambda: animated("PNG"), "animated"),
    "animated WebP": (lambda: animated("WEBP"), "animated"),
    "TIFF of several pages": (lambda: animated("TIFF"), "animated"),
    "1x1": (lambda: encoded(Image.new("RGB", (1, 1)), "PNG"), "too small"),
    "31x40": (lambda: encoded(Image.new("RGB", (31, 40)), "PNG"), "too small"),
    "a little above the limit, declared only": (lambda: png_header(12_000, 9_000), "too large"),
    "a decompression bomb, declared only": (lambda: png_header(60_000, 60_000), "too large"),
    "more pixels than 32 bits hold": (lambda: png_header(2**31 - 1, 2**31 - 1), "too large"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_file_has_its_reason(name: str) -> None:
    data, reason = UNUSABLE[name]
    with pytest.raises(UnusableImage) as caught:
        decode_image(data())
    assert caught.value.reason == reason
    assert str(caught.value) == f"{reason}: {caught.value.detail}"
    assert "\n" not in str(caught.value)


def test_a_real_photograph_cut_in_half_is_truncated(portraits: Path) -> None:
    data = (portraits / "images/train_0000.jpg").read_bytes()
    assert decode_image(data).shape == (320, 240, 3)
    with pytest.raises(UnusableImage, match="truncated: "):
        decode_image(_halved(data))


def _halved(data: bytes) -> bytes:
    return data[: len(data) // 2]


# Arbitrary bytes


def _victims() -> dict[str, bytes]:
    noise = np.random.default_rng(5).integers(0, 256, (40, 48, 3), np.uint8)
    image = Image.fromarray(noise // 3 + corners(48, 40) // 2)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Maker"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2020:01:01 00:00:00"
    return {
        "JPEG": encoded(image, "JPEG", exif=exif),
        "progressive JPEG": encoded(image, "JPEG", progressive=True, exif=exif),
        "PNG": encoded(image, "PNG", exif=exif),
        "palette PNG": encoded(image.quantize(32), "PNG", transparency=3),
        "animated PNG": animated("PNG"),
        "GIF": encoded(image.quantize(32), "GIF"),
        "animated GIF": animated("GIF"),
        "WebP": encoded(image, "WEBP", exif=exif),
        "TIFF": encoded(image, "TIFF", exif=exif),
        "LZW TIFF": encoded(image, "TIFF", compression="tiff_lzw", exif=exif),
        "MPO": encoded(image, "MPO", save_all=True, append_images=[image]),
        "PPM": encoded(image, "PPM"),
    }


VICTIMS = _victims()


def corrupted(data: bytes, chosen: random.Random) -> bytes:
    """`data` with one kind of damage: cut, bits flipped, bytes set, removed or added, mostly near its header."""
    damaged = bytearray(data)
    end = len(data) if chosen.random() < 0.4 else min(len(data), 400)
    at = chosen.randrange(end)
    match chosen.choice(["cut", "flip", "set", "remove", "add"]):
        case "cut":
            del damaged[at:]
        case "flip":
            for _ in range(chosen.randint(1, 8)):
                damaged[chosen.randrange(end)] ^= 1 << chosen.randrange(8)
        case "set":
            for _ in range(chosen.randint(1, 8)):
                damaged[chosen.randrange(end)] = chosen.choice([0, 1, 127, 128, 255])
        case "remove":
            del damaged[at : at + chosen.randint(1, 20)]
        case "add":
            damaged[at:at] = chosen.randbytes(chosen.randint(1, 20))
    return bytes(damaged)


@pytest.mark.parametrize("name", VICTIMS)
def test_damaged_bytes_give_pixels_or_a_reason_and_nothing_else(name: str, tmp_path: Path) -> None:
    chosen = random.Random(name)
    outcomes = {"pixels": 0, "reason": 0}
    for _ in range(60):
        data = corrupted(VICTIMS[name], chosen)
        try:
            rgb = decode_image(data)
        except UnusableImage:
            outcomes["reason"] += 1
        else:
            outcomes["pixels"] += 1
            assert (rgb.dtype, rgb.ndim, rgb.shape[2]) == (np.uint8, 3, 3)
        (tmp_path / "mask").write_bytes(data)
        for read in (lambda: decode_mask(data), lambda: read_mask_values(tmp_path / "mask")):  # noqa: B023
            with suppress(UserError):
                assert read().ndim == 2
    assert outcomes["reason"] > 0


@pytest.mark.parametrize("mode", ["1", "I;16", "RGBA", "P"])
def test_an_image_takes_little_memory_beside_its_pixels(mode: str) -> None:
    data = encoded(Image.new(mode, (3000, 3000), 1), "PNG")
    decode_image(data)  # loads Pillow's plug-ins
    tracemalloc.start()
    size_bytes = decode_image(data).nbytes
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * size_bytes  # float64 copies of the whole took ten times


def test_bands_are_converted_as_the_whole_is(monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    wide = Image.fromarray(rgb[..., 0].astype(np.uint16) * 257)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    alpha = Image.fromarray(np.dstack([rgb, rgb[..., :1]]))
    whole = [encoded(wide, "PNG"), encoded(alpha, "PNG", icc_profile=profile, exif=exif)]
    expected = [decode_image(data) for data in whole]
    monkeypatch.setattr(images, "_BAND_PIXELS", 48 * 7)
    assert all(np.array_equal(decode_image(data), other) for data, other in zip(whole, expected, strict=True))


# Masks


def asymmetric_mask() -> Pixels:
    """Every grey level once, 8x32: no turn or flip of it is itself."""
    return np.arange(256, dtype=np.uint8).reshape(8, 32)


def test_a_mask_survives_its_codec_bit_for_bit() -> None:
    assert np.array_equal(decode_mask(encode_mask(asymmetric_mask())), asymmetric_mask())


def test_the_same_mask_gives_the_same_bytes() -> None:
    assert encode_mask(asymmetric_mask()) == encode_mask(asymmetric_mask().copy())


@pytest.mark.parametrize("mask", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.float32), np.zeros((4, 4), bool)])
def test_what_is_no_mask_is_not_encoded(mask: Pixels) -> None:
    with pytest.raises(ValueError, match="expected a uint8 mask"):
        encode_mask(mask)


@pytest.mark.parametrize("mode", ["RGB", "1", "P", "LA", "I;16"])
def test_a_stored_mask_of_another_mode_is_refused(mode: str) -> None:
    with pytest.raises(UserError, match=f"expected an 8-bit single-channel mask PNG, found mode {mode}"):
        decode_mask(encoded(Image.new(mode, (8, 8)), "PNG"))


def test_a_stored_mask_that_breaks_off_is_refused() -> None:
    with pytest.raises(UserError, match="expected a mask PNG, found a file that can't be read"):
        decode_mask(_halved(encode_mask(asymmetric_mask())))


def test_probabilities_are_rounded_to_levels() -> None:
    prob = np.array([[0.0, 0.5, 1.0], [0.001, 0.002, 0.498]], np.float32)
    assert mask_from_prob(prob).tolist() == [[0, 128, 255], [0, 1, 127]]  # 127.5 rounds to the even 128


def _profiles() -> tuple[bytes, bytes]:
    """sRGB, and a profile whose red and green primaries are swapped, which turns sRGB's red into green."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red, green = srgb.index(b"rXYZ"), srgb.index(b"gXYZ")
    swapped = bytearray(srgb)
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    return srgb, bytes(swapped)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "transparent P"])
def test_a_colour_profile_is_applied_whatever_the_mode(mode: str) -> None:
    image = Image.new("RGB", (64, 64), (200, 30, 30))
    options: dict[str, Any] = {}
    if mode == "RGBA":
        image.putalpha(255)
    elif mode.endswith("P"):
        image = image.quantize(4)
        options = {"transparency": 3} if mode == "transparent P" else {}
    plain, converted = (decode_image(encoded(image, "PNG", icc_profile=profile, **options)) for profile in _profiles())
    assert np.abs(plain[0, 0].astype(int) - (200, 30, 30)).max() <= 2
    assert converted[0, 0, 1] > converted[0, 0, 0]


def test_a_profile_leaves_the_white_behind_transparency_alone() -> None:
    image = Image.new("RGBA", (64, 64), (200, 30, 30, 0))
    assert (decode_image(encoded(image, "PNG", icc_profile=_profiles()[1])) == 255).all()


@pytest.mark.parametrize("white", [1023, 4095, 16383, 65535])
@pytest.mark.parametrize("picture_format", ["PNG", "TIFF"])
def test_greys_of_10_to_16_bits_come_out_at_their_brightness(white: int, picture_format: str) -> None:
    wide = np.full((64, 64), white // 2, np.uint16)
    wide[0, 0] = white * 0.9
    found = decode_image(encoded(Image.fromarray(wide), picture_format))
    assert found[30, 30].tolist() == [127, 127, 127]


def test_a_colour_profile_is_applied() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[...] = (200, 30, 30)
    plain, converted = (decode_image(_png(pixels, profile)) for profile in _profiles())
    assert np.abs(plain[0, 0].astype(int) - (200, 30, 30)).max() <= 1
    assert converted[0, 0, 1] > converted[0, 0, 0]


def test_a_damaged_colour_profile_is_ignored() -> None:
    pixels = np.full((64, 64, 3), 90, np.uint8)
    assert np.array_equal(decode_image(_png(pixels, b"no profile at all")), pixels)


def test_floating_point_pictures_are_refused() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((64, 64), 0.5, np.float32)).save(buffer, "TIFF")
    with pytest.raises(UnusableImage, match="floating point"):
        decode_image(buffer.getvalue())


def test_storing_again_mends_a_damaged_blob(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    blob = store.put(b"the right bytes", ".png")
    store.path(blob.path).write_bytes(b"the wrong bytes")
    store.put(b"the right bytes", ".png")
    assert store.read(blob.path, blob.sha256) == b"the right bytes"


def _png(pixels: Pixels, profile: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", icc_profile=profile)
    return buffer.getvalue()


def test_a_jpeg_of_many_scans_is_refused_before_it_is_decoded() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    assert decode_image(data).shape == (64, 64, 3)
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    with pytest.raises(UnusableImage, match=r"too large: expected a JPEG of at most 200 scans, found 4\d\d"):
        decode_image(data[:-2] + 400 * scan + data[-2:])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_upright_size_is_that_of_the_decoded_image(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    buffer = io.BytesIO()
    Image.new("RGB", (40, 64)).save(buffer, kind, exif=exif)
    assert upright_size(buffer.getvalue()) == decode_image(buffer.getvalue()).shape[:2]
