"""Near-duplicates: the perceptual hash of an image, when two are look-alikes, and the split of a group.

A group never crosses splits: the split is a function of `group_id` alone. Which group a sample joins: groups.py.
"""

import hashlib

import imagehash
from PIL import Image

from manifests.pixels.geometry import Pixels
from manifests.store.schema import Split

MAX_HAMMING_DISTANCE = 6  # bits of 64; chosen by looking at the pairs between 0 and 12, see docs/dataset.md
MAX_TURNED_DISTANCE = 3  # of mirrored and turned copies: 5,598 of 5,600 tried, none of 31 million others
SPLIT_SALT = "maskfoundry-split-1"  # changing it would move every sample to another split
VAL_FRACTION = 0.10
TEST_FRACTION = 0.10

_HASHED_PX = 32  # the side that ImageHash's pHash shrinks an image to
_TURNS = [
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_180,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
]


def perceptual_hash(rgb: Pixels) -> str:
    """RGB uint8 (H, W, 3) -> 64-bit DCT hash as 16 hex digits (ImageHash's pHash)."""
    return str(imagehash.phash(Image.fromarray(rgb)))


def turned_hashes(rgb: Pixels) -> list[str]:
    """The perceptual hashes of the image mirrored and by quarter turns: seven, its own not included."""
    hashed = Image.fromarray(rgb).convert("L").resize((_HASHED_PX, _HASHED_PX), Image.Resampling.LANCZOS)
    return [str(imagehash.phash(hashed.transpose(turn))) for turn in _TURNS]


def split_of(group_id: str) -> Split:
    """The split of a group: the salted hash of its id as a number in [0, 1)."""
    digest = hashlib.sha256(f"{SPLIT_SALT}:{group_id}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    if share < TEST_FRACTION:
        return "test"
    return "val" if share < TEST_FRACTION + VAL_FRACTION else "train"
