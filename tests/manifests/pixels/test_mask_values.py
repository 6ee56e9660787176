"""A mask's file -> its stored values: what a colour-true, upright viewer shows, or a refusal by name."""

import io
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import ExifTags, Image

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import UPRIGHT
from manifests.pixels.mask_encoding import MaskStatistics, find_encoding
from manifests.pixels.mask_values import mask_alpha, mask_values, read_mask_values, turned_as_image

INVERSE = {Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90}


def encoded(image: Image.Image, picture_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image.save(buffer, picture_format, **options)
    return buffer.getvalue()


def values_of(image: Image.Image, picture_format: str = "PNG", **options: Any) -> list[list[int]]:
    return mask_values(encoded(image, picture_format, **options), "mask").tolist()


def palette_image(indices: object, palette: list[tuple[int, int, int]]) -> Image.Image:
    image = Image.fromarray(np.array(indices, np.uint8), "P")
    image.putpalette([channel for colour in palette for channel in colour])
    return image


def rgba(colours: object, alpha: object) -> Image.Image:
    """(H, W) or (H, W, 3) colours and (H, W) alpha -> RGBA."""
    rgb = np.array(colours, np.uint8)
    rgb = np.stack([rgb] * 3, axis=-1) if rgb.ndim == 2 else rgb
    return Image.fromarray(np.dstack([rgb, np.array(alpha, np.uint8)]))


# Palettes


def test_the_indices_of_a_colour_palette_are_the_values() -> None:
    voc = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 128)]
    assert values_of(palette_image([[0, 1], [3, 2]], voc)) == [[0, 1], [3, 2]]


def test_a_colour_palette_with_a_transparent_background_stays_indices() -> None:
    voc = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    assert values_of(palette_image([[0, 1], [0, 1]], voc), transparency=0) == [[0, 1], [0, 1]]


@pytest.mark.parametrize("picture_format", ["PNG", "TIFF", "BMP"])
def test_a_grey_palette_is_looked_up_in_whatever_order(picture_format: str) -> None:
    image = palette_image([[0, 1], [2, 3]], [(255, 255, 255), (0, 0, 0), (130, 130, 130), (9, 9, 9)])
    assert values_of(image, picture_format) == [[255, 0], [130, 9]]


def test_one_colour_whose_palette_varies_in_opacity_is_drawn_in_alpha() -> None:
    image = palette_image([[0, 1], [2, 2]], [(200, 0, 0), (200, 0, 0), (200, 0, 0)])
    assert values_of(image, transparency=bytes([0, 100, 255])) == [[0, 100], [255, 255]]


# Transparency


@pytest.mark.parametrize("colour", [255, 0, 77])
@pytest.mark.parametrize("picture_format", ["PNG", "TIFF", "WEBP"])
def test_alpha_beside_one_colour_is_the_mask(colour: int, picture_format: str) -> None:
    alpha = [[0, 255], [128, 7]]
    options = {"lossless": True, "exact": True} if picture_format == "WEBP" else {}
    assert values_of(rgba(np.full((2, 2), colour), alpha), picture_format, **options) == alpha


def test_alpha_beside_one_red_is_the_mask() -> None:
    assert values_of(rgba(np.full((1, 2, 3), (255, 0, 0)), [[0, 200]])) == [[0, 200]]


def test_colours_of_hidden_pixels_do_not_count() -> None:
    assert values_of(rgba([[9, 255, 77]], [[0, 255, 0]])) == [[0, 255, 0]]


def test_a_grey_mask_whose_black_is_transparent_keeps_its_greys() -> None:
    assert values_of(rgba([[0, 7, 200]], [[0, 255, 255]])) == [[0, 7, 200]]
    assert values_of(Image.fromarray(np.array([[0, 7, 200]], np.uint8)), transparency=0) == [[0, 7, 200]]


def test_opaque_alpha_is_ignored() -> None:
    assert values_of(rgba([[0, 7, 200]], [[255, 255, 255]])) == [[0, 7, 200]]
    assert values_of(rgba([[0, 7, 200]], [[255, 255, 255]]).convert("LA")) == [[0, 7, 200]]


def test_white_multiplied_by_its_opacity_is_the_mask() -> None:
    assert values_of(rgba([[0, 60, 255]], [[0, 60, 255]])) == [[0, 60, 255]]


def test_a_mask_without_a_visible_pixel_is_empty() -> None:
    assert values_of(Image.new("LA", (3, 3))) == np.zeros((3, 3)).tolist()


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (rgba([[0, 50, 90, 255]], [[0, 255, 20, 255]]), "both colours and transparency that vary"),
        (rgba([[[9, 0, 0], [0, 9, 0]]], [[255, 90]]), "both colours and transparency that vary"),
        (rgba([[0, 255]], [[0, 0]]), "no visible pixel, and colours that vary"),
        (rgba([[255, 255]], [[90, 90]]), "one opacity of 90 all over"),
    ],
)
def test_a_mask_in_two_places_is_asked_about(image: Image.Image, found: str) -> None:
    with pytest.raises(UserError, match=rf"found {found}.*; save the mask without transparency in mask"):
        values_of(image)


# Depths


def test_a_one_bit_mask_is_0_and_255() -> None:
    image = Image.fromarray(np.array([[True, False], [False, False]]))
    assert values_of(image) == values_of(image, "TIFF") == [[255, 0], [0, 0]]


def test_a_float_mask_of_0_to_1_is_scaled() -> None:
    assert values_of(Image.fromarray(np.array([[0, 0.5, 1, 0.25]], np.float32)), "TIFF") == [[0, 128, 255, 64]]


@pytest.mark.parametrize("values", [[0.0, 2.0], [0.0, 255.0], [-0.5, 1.0], [np.nan, 1.0], [np.inf, 0.0]])
def test_other_floats_are_refused(values: list[float]) -> None:
    with pytest.raises(UserError, match=r"found floating point numbers from .* not 0 to 1; save them as 8"):
        values_of(Image.fromarray(np.array([values], np.float32)), "TIFF")


@pytest.mark.parametrize("white", [1023, 4095, 16383, 65535])
@pytest.mark.parametrize("picture_format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_by_the_range_they_use(white: int, picture_format: str) -> None:
    values = np.array([[0, white // 2, white]], np.uint16)
    assert values_of(Image.fromarray(values), picture_format) == [[0, 127, 255]]


@pytest.mark.parametrize("white", [1023, 4095, 16383, 65535])
def test_each_value_of_sixteen_bits_is_rounded(white: int) -> None:
    values = np.arange(white + 1, dtype=np.uint16)[None]
    assert values_of(Image.fromarray(values)) == np.rint(values * (255 / white)).astype(int).tolist()


def test_sixteen_bits_take_little_memory_beside_what_is_stored() -> None:
    data = encoded(Image.fromarray(np.tile(np.arange(3000, dtype=np.uint16) * 21, (3000, 1))))
    mask_values(data, "mask")  # loads Pillow's plug-ins
    tracemalloc.start()
    size_bytes = mask_values(data, "mask").nbytes
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * size_bytes  # float64 copies of the whole took 20 times


def test_small_labels_in_sixteen_bits_stay() -> None:
    values = np.array([[0, 15], [255, 0]], np.uint16)
    assert values_of(Image.fromarray(values)) == values.tolist()


@pytest.mark.parametrize("most", [300, 2000, 9000])
def test_sixteen_bits_of_an_open_range_are_refused(most: int) -> None:
    with pytest.raises(UserError, match=rf"found 16 bits with values from 0 to {most}, no known range.* in mask"):
        values_of(Image.fromarray(np.array([[0, most]], np.uint16)))


@pytest.mark.parametrize("channels", [3, 4])
def test_equal_channels_are_one_mask(channels: int) -> None:
    values = np.array([[0, 255], [7, 0]], np.uint8)
    stack = np.stack([values] * 3 + [np.full_like(values, 255)] * (channels - 3), axis=-1)
    assert values_of(Image.fromarray(stack)) == values.tolist()


def test_colours_are_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"expected a single-channel mask with .*, found mode RGB with .*mask"):
        values_of(Image.fromarray(np.array([[(255, 0, 0), (0, 0, 0)]], np.uint8)))


@pytest.mark.parametrize("mode", ["CMYK", "LAB"])
def test_other_modes_are_refused_by_name(mode: str) -> None:
    with pytest.raises(UserError, match=rf"found mode {mode} in mask"):
        values_of(Image.new(mode, (4, 4)), "TIFF")


# Files


@pytest.mark.parametrize("picture_format", ["TIFF", "GIF", "WEBP", "PNG"])
def test_more_than_one_page_is_refused(picture_format: str) -> None:
    pages = [Image.fromarray(np.full((8, 8), level, np.uint8)) for level in (0, 255)]
    with pytest.raises(UserError, match=r"expected a readable mask of one page, found mask \(2 pages or frames\)"):
        values_of(pages[0], picture_format, save_all=True, append_images=pages[1:])


def with_orientation(image: Image.Image, orientation: int, picture_format: str, **options: Any) -> bytes:
    """The file that viewers show as `image`: its pixels are turned back, its EXIF says how."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    if orientation in UPRIGHT:
        image = image.transpose(INVERSE.get(UPRIGHT[orientation], UPRIGHT[orientation]))
    return encoded(image, picture_format, exif=exif, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("picture_format", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_a_masks_own_exif_turns_it(orientation: int, picture_format: str) -> None:
    values = np.zeros((32, 48), np.uint8)
    values[:8, :16] = 255
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(picture_format, {})
    data = with_orientation(Image.fromarray(values), orientation, picture_format, **options)
    assert np.abs(mask_values(data, "mask").astype(int) - values).max() <= 2
    if picture_format == "PNG":
        alpha = with_orientation(rgba(np.full_like(values, 255), values), orientation, "PNG")
        assert mask_alpha(alpha, "mask").tolist() == values.tolist()


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("scale", [1, 2])
def test_a_mask_of_the_stored_images_size_is_turned_as_the_image(orientation: int, scale: int) -> None:
    upright = np.zeros((96, 64), np.uint8)
    upright[:20, :10] = 255
    image = with_orientation(Image.new("RGB", (64 * scale, 96 * scale)), orientation, "JPEG")
    turn = UPRIGHT[orientation]
    stored = np.asarray(Image.fromarray(upright).transpose(INVERSE.get(turn, turn)))
    assert turned_as_image(stored, image, (96 * scale, 64 * scale)).tolist() == upright.tolist()
    assert turned_as_image(upright, image, (96 * scale, 64 * scale)) is upright


def test_a_mask_that_fits_no_way_stays() -> None:
    image = with_orientation(Image.new("RGB", (64, 96)), 6, "JPEG")
    other = np.zeros((50, 64), np.uint8)
    assert turned_as_image(other, image, (96, 64)) is other
    untagged = encoded(Image.new("RGB", (64, 96)), "JPEG")
    turned = np.zeros((64, 96), np.uint8)
    assert turned_as_image(turned, untagged, (96, 64)) is turned


def test_a_file_that_is_missing_or_text_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a readable mask, found .*none\.png"):
        read_mask_values(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UserError, match=r"expected a readable mask of one page, found .*text\.png"):
        read_mask_values(tmp_path / "text.png")


def test_a_bomb_is_refused_by_name() -> None:
    header = encoded(Image.new("1", (20_000, 20_000)))
    with pytest.raises(UserError, match=r"expected a readable mask of one page, found mask \(.*(megapixels|exceeds)"):
        mask_values(header, "mask")


# Round trip: a mask written in every encoding people use comes back equal, or is refused.


def _popular_palette(mask: Pixels) -> Image.Image:
    levels, counts = np.unique(mask, return_counts=True)
    by_count = levels[np.argsort(-counts)]
    return palette_image(
        np.argsort(by_count)[np.searchsorted(levels, mask)], [(level,) * 3 for level in by_count.tolist()]
    )


def _float(mask: Pixels) -> Image.Image:
    return Image.fromarray((mask / 255).astype(np.float32))


def _wide(mask: Pixels, white: int) -> Image.Image:
    return Image.fromarray(np.rint(mask.astype(np.float64) * white / 255).astype(np.uint16))


ANY: dict[str, tuple[Callable[[Pixels], Image.Image], tuple[str, ...]]] = {
    "8 bits": (Image.fromarray, ("PNG", "TIFF", "WEBP", "BMP", "PPM")),
    "RGB": (lambda mask: Image.fromarray(np.stack([mask] * 3, -1)), ("PNG", "TIFF", "WEBP", "BMP", "PPM")),
    "grey palette": (_popular_palette, ("PNG", "TIFF")),
    "white, person in alpha": (lambda mask: rgba(np.full_like(mask, 255), mask), ("PNG", "TIFF", "WEBP")),
    "black, person in alpha": (lambda mask: rgba(np.zeros_like(mask), mask), ("PNG", "TIFF", "WEBP")),
    "opaque RGBA": (lambda mask: rgba(mask, np.full_like(mask, 255)), ("PNG", "TIFF", "WEBP")),
    "grey and alpha": (lambda mask: rgba(np.full_like(mask, 255), mask).convert("LA"), ("PNG",)),
    "floating point": (_float, ("TIFF",)),
    "16 bits": (lambda mask: _wide(mask, 65535), ("PNG", "TIFF")),
    "12 bits in 16": (lambda mask: _wide(mask, 4095), ("PNG", "TIFF")),
}
HARD: dict[str, tuple[Callable[[Pixels], Image.Image], tuple[str, ...]]] = {
    "1 bit": (lambda mask: Image.fromarray(mask > 0), ("PNG", "TIFF", "BMP")),
    "0 and 1": (lambda mask: Image.fromarray((mask > 0).astype(np.uint8)), ("PNG", "TIFF", "BMP")),
    "0 and 1 in 16 bits": (lambda mask: Image.fromarray((mask > 0).astype(np.uint16)), ("PNG", "TIFF")),
    "labels": (lambda mask: Image.fromarray((mask > 0).astype(np.uint8) * 7), ("PNG", "TIFF", "BMP")),
    "VOC's palette": (
        lambda mask: palette_image((mask > 0) * 2, [(0, 0, 0), (128, 0, 0), (0, 128, 0)]), ("PNG", "TIFF", "BMP")
    ),
}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True, "exact": True}}


def as_mask(data: bytes) -> npt.NDArray[np.uint8]:
    values = mask_values(data, "mask")
    statistics = MaskStatistics()
    statistics.add(values, "mask")
    return find_encoding(statistics).to_mask(values)


def stored(image: Image.Image, picture_format: str, orientation: int) -> bytes:
    if picture_format in ("BMP", "PPM"):
        return encoded(image, picture_format)
    return with_orientation(image, orientation, picture_format, **OPTIONS.get(picture_format, {}))


orientations = st.integers(1, 8)
hard_masks = arrays(np.uint8, st.tuples(st.integers(2, 24), st.integers(2, 24)), elements=st.sampled_from([0, 255]))


@pytest.mark.parametrize("encoding", ANY)
@given(mask=hard_masks, orientation=orientations, data=st.data())
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_soft_mask_comes_back(encoding: str, mask: Pixels, orientation: int, data: st.DataObject) -> None:
    size = 16 * mask.shape[1], 16 * mask.shape[0]
    soft = cv2.GaussianBlur(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), (0, 0), 2).astype(np.uint8)
    soft[0, :2] = 0, 255
    write, formats = ANY[encoding]
    found = as_mask(stored(write(soft), data.draw(st.sampled_from(formats)), orientation))
    assert found.shape == soft.shape
    assert np.abs(found.astype(int) - soft).max() <= 1


@pytest.mark.parametrize("encoding", [*ANY, *HARD])
@given(mask=hard_masks, orientation=orientations, data=st.data())
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_hard_mask_comes_back(encoding: str, mask: Pixels, orientation: int, data: st.DataObject) -> None:
    mask[0, :2] = 0, 255
    write, formats = (ANY | HARD)[encoding]
    picture_format = data.draw(st.sampled_from(formats))
    assert as_mask(stored(write(mask), picture_format, orientation)).tolist() == mask.tolist()


@given(mask=hard_masks, orientation=orientations)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_mask_as_jpeg_comes_back_or_is_asked_about(mask: Pixels, orientation: int) -> None:
    large = cv2.resize(mask, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
    data = with_orientation(Image.fromarray(large), orientation, "JPEG", quality=90)
    values = set(np.unique(mask_values(data, "mask")).tolist())
    if values <= {0, 255} or ({0, 255} <= values and any(223 <= value < 255 for value in values)):
        assert ((as_mask(data) >= 128) == (large >= 128)).all()


def test_a_bmp_that_pillow_reads_as_black_is_refused() -> None:
    with pytest.raises(UserError, match="a BMP of two colours in 8 bits; save it as PNG"):
        values_of(palette_image([[0, 1], [1, 0]], [(0, 0, 0), (255, 255, 255)]), "BMP")
