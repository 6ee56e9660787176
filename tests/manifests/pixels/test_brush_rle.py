"""Label Studio's brush RLE: bit for bit, as its own converter writes and reads it, and refused when broken."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from export_rows import asymmetric
from PIL import Image

from manifests.pixels.brush_rle import decode_brush, encode_brush
from manifests.pixels.masks import Mask


def random_mask(seed: int) -> Mask:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 70, 2)
    return rng.random((height, width)) < rng.random()


MASKS: dict[str, Callable[[], Mask]] = {
    **{f"random {seed}": lambda seed=seed: random_mask(seed) for seed in range(6)},  # type: ignore[misc]
    "asymmetric": lambda: asymmetric() > 0,
    "one pixel": lambda: np.ones((1, 1), bool),
    "empty": lambda: np.zeros((30, 20), bool),
    "longest run": lambda: np.ones((128, 128), bool),  # 65,536 values: the longest that one record says
    "a run and a bit": lambda: np.ones((128, 129), bool),
    "several runs": lambda: np.ones((300, 200), bool),
    "every length": lambda: np.repeat(np.arange(24) % 2 == 1, np.arange(1, 25)).reshape(15, 20),
}


@pytest.fixture(scope="module")
def brush() -> ModuleType:
    return pytest.importorskip("label_studio_converter.brush")


@pytest.mark.parametrize("name", MASKS)
def test_it_is_its_own_inverse(name: str) -> None:
    person = MASKS[name]()
    assert np.array_equal(decode_brush(encode_brush(person), *person.shape), person)


@pytest.mark.parametrize("name", MASKS)
def test_label_studios_converter_writes_and_reads_the_same(brush: ModuleType, name: str) -> None:
    assert_same_as_theirs(brush, MASKS[name]())


def test_masks_of_real_photographs_are_the_same_for_label_studios_converter(brush: ModuleType, portraits: Path) -> None:
    with Image.open(portraits / "masks/train_0001.png") as image:
        assert_same_as_theirs(brush, np.asarray(image) >= 128)


def assert_same_as_theirs(brush: ModuleType, person: Mask) -> None:
    ours, theirs = encode_brush(person), bytes(brush.mask2rle(person.astype(np.uint8) * 255))
    assert theirs in (ours, ours + b"\0")  # their last byte is padding even where there is nothing to pad
    assert np.array_equal(decode_brush(theirs, *person.shape), person)
    alpha = brush.decode_rle(list(ours)).reshape(*person.shape, 4)[..., 3]
    assert np.array_equal(alpha, person * np.uint8(255))


def stream(*fields: tuple[int, int]) -> bytes:
    """Numbers and how many bits each has -> bytes, padded at the end."""
    bits = "".join(f"{value:0{size}b}" for value, size in fields)
    return bytes(int(bits[start : start + 8].ljust(8, "0"), 2) for start in range(0, len(bits), 8))


HEADER = ((8, 32), (7, 5), (2, 4), (3, 4), (7, 4), (15, 4))  # 8 values of 8 bits: a picture of two pixels


def test_values_that_dont_repeat_are_read_and_alpha_is_the_mask() -> None:
    literal = stream(*HEADER, (0, 1), (0, 2), (7, 3), *((value, 8) for value in (9, 200, 255, 127, 0, 0, 0, 128)))
    assert decode_brush(literal, 1, 2).tolist() == [[False, True]]
    mixed = stream(
        *HEADER, (1, 1), (1, 2), (3, 4), (255, 8), (0, 1), (0, 2), (3, 3), *((value, 8) for value in (1, 2, 3, 4))
    )
    assert decode_brush(mixed, 2, 1).tolist() == [[True], [False]]


def test_what_is_cut_off_anywhere_is_refused() -> None:
    whole = encode_brush(asymmetric() > 0)
    for length in (0, 3, 6, 7, 20, len(whole) // 2, len(whole) - 2):
        with pytest.raises(ValueError, match="cut off"):
            decode_brush(whole[:length], *asymmetric().shape)


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        (stream((12, 32), *HEADER[1:], (1, 1), (3, 2), (11, 16), (0, 8)), r"2x1x4 = 8 values, found 12"),
        (stream(HEADER[0], (15, 5), *HEADER[2:], (1, 1), (0, 2), (7, 3), (0, 16)), r"8 bits a value, found 16"),
        (stream(*HEADER, (1, 1), (1, 2), (8, 4), (0, 8)), r"of 8 values, found more"),
        (stream((2**32 - 1, 32), *HEADER[1:]), r"8 values, found 4294967295"),
    ],
)
def test_what_is_of_another_length_is_refused(rle: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_brush(rle, 1, 2)
