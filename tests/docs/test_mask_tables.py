"""Each line of docs/import.md's two tables on masks, tried."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image
from repository import ROOT

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.mask_encoding import MaskStatistics, find_encoding, is_person
from manifests.pixels.mask_values import mask_values

REFUSED = "refused"
TEXT = (ROOT / "docs/import.md").read_text()


def lines_of(heading: str) -> dict[str, str]:
    """First column -> second, of the table with these column names."""
    table = TEXT[TEXT.index(heading) :].split("\n\n", 1)[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return dict(map(tuple, cells))  # type: ignore[arg-type]


def grey(*values: int, dtype: Any = np.uint8) -> Image.Image:
    return Image.fromarray(np.array([values], dtype))


def rgba(greys: Sequence[int], alpha: Sequence[int]) -> Image.Image:
    return Image.fromarray(
        np.array([[(level, level, level, a) for level, a in zip(greys, alpha, strict=True)]], np.uint8)
    )


def palette(indices: Sequence[int], *colours: tuple[int, int, int]) -> Image.Image:
    image = Image.fromarray(np.array([indices], np.uint8), "P")
    image.putpalette([channel for colour in colours for channel in colour])
    return image


def turned() -> dict[str, Any]:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    return {"exif": exif}


WHITE, BLACK = (255, 255, 255), (0, 0, 0)
File = tuple[Image.Image, str, dict[str, Any], list[int] | str]
FILES: dict[str, File] = {
    "EXIF orientation": (grey(1, 2), "PNG", turned(), [2, 1]),
    "more than one page or frame": (grey(0), "TIFF", {"save_all": True, "append_images": [grey(255)]}, REFUSED),
    "transparency that varies over one colour": (rgba([0, 0], [9, 255]), "PNG", {}, [9, 255]),
    "transparency without effect: opaque, or only where it is black": (rgba([0, 77], [0, 255]), "PNG", {}, [0, 77]),
    "transparency and colours that both vary": (rgba([0, 90, 255], [255, 9, 0]), "PNG", {}, REFUSED),
    "palette of greys, in any order": (palette([0, 1], WHITE, BLACK), "PNG", {}, [255, 0]),
    "palette of colours, as PASCAL VOC's": (palette([0, 1], BLACK, (128, 0, 0)), "PNG", {}, [0, 1]),
    "1 bit": (grey(0, 1, dtype=bool), "PNG", {}, [0, 255]),
    "16 bits, 256 and more": (grey(0, 4095, dtype=np.uint16), "PNG", {}, [0, 255]),
    "16 bits that fill no such range": (grey(0, 2900, dtype=np.uint16), "PNG", {}, REFUSED),
    "16 bits, up to 255": (grey(0, 21, dtype=np.uint16), "PNG", {}, [0, 21]),
    "floating point from 0 to 1": (grey(0, 1, dtype=np.float32), "TIFF", {}, [0, 255]),
    "other floating point": (grey(0, 2, dtype=np.float32), "TIFF", {}, REFUSED),
    "RGB, channels equal within 2 levels": (Image.new("RGB", (1, 1), (7, 6, 5)), "PNG", {}, [6]),
    "RGB with colours, CMYK, LAB": (Image.new("RGB", (1, 1), (200, 0, 0)), "PNG", {}, REFUSED),
    "BMP of two colours in 8 bits, which Pillow reads as black": (palette([0, 1], BLACK, WHITE), "BMP", {}, REFUSED),
}


def test_every_line_on_files_is_tried() -> None:
    assert FILES.keys() == lines_of("| the file | its values |").keys()


@pytest.mark.parametrize("line", FILES)
def test_a_file_is_read_as_its_line_says(line: str) -> None:
    image, picture_format, options, expected = FILES[line]
    buffer = io.BytesIO()
    image.save(buffer, picture_format, **options)
    assert (expected == REFUSED) == (lines_of("| the file | its values |")[line] == REFUSED)
    if expected == REFUSED:
        with pytest.raises(UserError):
            mask_values(buffer.getvalue(), "mask")
    else:
        assert mask_values(buffer.getvalue(), "mask").tolist() == [expected]


def areas(*values: int) -> Pixels:
    return np.repeat(np.array([values], np.uint8), 20, axis=1)


SOFT = np.array([[0] * 300 + list(range(0, 256, 5)) + [254] * 300], np.uint8)
VALUES: dict[str, tuple[Sequence[Pixels], Callable[[int], bool] | None]] = {
    "0 and 1": ([areas(0, 1)], lambda value: value == 1),
    "0 and 255": ([areas(0, 255)], lambda value: value == 255),
    "masks of 0 and 1 beside masks of 0 and 255": ([areas(0, 1), areas(0, 255)], None),
    '0 and one other, 255 beside it as "ignore"': ([areas(0, 15, 255)], lambda value: value == 15),
    "nearly 0 and nearly 255, a soft edge between them": ([SOFT], lambda value: value >= 128),
    "several labels, with or without 255": ([areas(0, 7, 15, 255)], None),
    "no person in any mask": ([areas(0)], lambda value: value == 1),
}


def test_every_line_on_values_is_tried() -> None:
    assert VALUES.keys() == lines_of("| the values in all masks | person |").keys()


@pytest.mark.parametrize("line", VALUES)
def test_values_mean_what_their_line_says(line: str) -> None:
    masks, person = VALUES[line]
    statistics = MaskStatistics()
    for number, mask in enumerate(masks):
        statistics.add(mask, f"{number}")
    if person is None:
        with pytest.raises(UserError):
            find_encoding(statistics)
        return
    there = [value for value in statistics.values if is_person(find_encoding(statistics))[value]]
    assert there == [value for value in statistics.values if person(value)]
    assert bool(there) == (line != "no person in any mask")  # test_true_masks.py: that import is refused
