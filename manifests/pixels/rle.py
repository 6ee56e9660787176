"""COCO's run-length encoding of a mask: bool (H, W) <-> counts <-> the compressed string of pycocotools.

Counts are the lengths of runs down the columns (column after column), beginning with background: a mask whose
first pixel is person begins with a run of 0. The string writes each count in groups of 5 bits, from the fourth
count on as the difference from the count two before it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from manifests.pixels.masks import Mask

Counts = npt.NDArray[np.int64]

_FIRST_CHARACTER = 48  # "0" stands for the group 0
_GROUP_BITS = 5
_MORE = 0x20  # another group of this number follows
_SIGN = 0x10  # in a number's last group: it is negative
_MAX_GROUPS = 8  # 40 bits: more than any image has pixels


def encode_rle(person: Mask) -> Counts:
    """bool (H, W) -> counts."""
    flat = person.ravel(order="F")
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate([[0], ends, [flat.size]]))
    return np.concatenate([[0], counts]) if flat.size and flat[0] else counts


def decode_rle(counts: Sequence[int] | Counts, height: int, width: int) -> Mask:
    """Counts -> bool (height, width); ValueError when they don't add up to its pixels, or one is negative."""
    runs = np.asarray(counts, np.int64).ravel()
    check_rle(runs, height, width)
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape((height, width), order="F")


def check_rle(counts: Sequence[int] | Counts, height: int, width: int) -> None:
    """ValueError when the counts are not those of a mask (height, width)."""
    runs = np.asarray(counts, np.int64).ravel()
    if (runs < 0).any() or (runs > height * width).any():  # the sum of larger ones might overflow
        raise ValueError(f"expected run lengths within 0..{height * width}, found others")
    if runs.sum() != height * width:
        raise ValueError(f"expected run lengths of {width}x{height} = {width * height} pixels, found {runs.sum()}")


def compress_counts(counts: Sequence[int] | Counts) -> str:
    """Counts -> the string of pycocotools."""
    runs = np.asarray(counts, np.int64)
    deltas = runs.copy()
    deltas[3:] -= runs[1:-2]
    return "".join(_characters(delta) for delta in deltas.tolist())


def decompress_counts(text: str) -> Counts:
    """The string of pycocotools -> counts; ValueError for any other text."""
    try:
        groups = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - _FIRST_CHARACTER
    except UnicodeEncodeError as error:
        raise ValueError("expected run lengths in ASCII, found other characters") from error
    if not len(groups) or groups.min() < 0 or groups.max() >= 2 * _MORE or groups[-1] & _MORE:
        raise ValueError("expected compressed run lengths, found a text that is cut off or of another kind")
    last = np.flatnonzero((groups & _MORE) == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    if lengths.max() > _MAX_GROUPS:
        raise ValueError("expected compressed run lengths, found a number that no image has")
    places = np.arange(len(groups)) - np.repeat(first, lengths)
    values = np.add.reduceat((groups & (_MORE - 1)) << (_GROUP_BITS * places), first)
    values -= np.where(groups[last] & _SIGN, 1 << (_GROUP_BITS * lengths), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def _characters(value: int) -> str:
    characters = []
    while True:
        group = value & (_MORE - 1)
        value >>= _GROUP_BITS
        done = value == (-1 if group & _SIGN else 0)
        characters.append(chr(_FIRST_CHARACTER + (group if done else group | _MORE)))
        if done:
            return "".join(characters)
