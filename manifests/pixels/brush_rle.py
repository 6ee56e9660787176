"""Label Studio's run-length encoding of a brush mask: bool (H, W) <-> bytes. Not COCO's (rle.py).

The bytes are a bit stream of the image's RGBA values, row after row (the format of thi.ng's rle-pack, which the brush
uses). 32 bits hold the number of values, 5 the bits of a value less 1, and 4 times 4 the bits of each of the four kinds
of run length, less 1. Then records: 1 bit states whether one value repeats, 2 bits the kind of length, then the length
less 1, and last the repeated value or, without repetition, that many values. The mask is the alpha channel.
"""

import numpy as np
import numpy.typing as npt

from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON, PERSON_LEVEL, Mask

CHANNELS = 4
VALUE_BITS = 8
LENGTH_BITS = (3, 4, 8, 16)  # of the four kinds of run, the same as Label Studio's

_COUNT_BITS, _VALUE_SIZE_BITS, _LENGTH_SIZE_BITS, _KIND_BITS = 32, 5, 4, 2
_WINDOW_BYTES = 8  # a number of 32 bits, wherever in a byte it begins, lies within
_LONGEST_RUN = 1 << LENGTH_BITS[-1]


def encode_brush(person: Mask) -> bytes:
    """bool (H, W) -> the bytes of `value.rle`: person is 255 in all four channels, the rest 0."""
    flat = person.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    lengths, values = _split(np.diff(ends, prepend=0) * CHANNELS, flat[ends - 1])
    kinds = np.searchsorted(1 << np.array(LENGTH_BITS), lengths)
    length_bits = np.array(LENGTH_BITS)[kinds]
    codes = (4 + kinds) << length_bits | (lengths - 1)  # 4: the bit before the kind, set when a value repeats
    records = _bits(codes << VALUE_BITS | values * PERSON, 1 + _KIND_BITS + length_bits + VALUE_BITS)
    sizes = "".join(f"{bits - 1:04b}" for bits in LENGTH_BITS)
    header = f"{flat.size * CHANNELS:032b}{VALUE_BITS - 1:05b}{sizes}"
    return np.packbits(np.concatenate([np.array(list(header), np.uint8), records])).tobytes()


def decode_brush(rle: bytes, height: int, width: int) -> Mask:
    """`value.rle` -> bool (height, width), alpha of 128 and above; ValueError when it has another size."""
    expected = height * width * CHANNELS
    reader = _BitReader(rle)
    count = reader.read(_COUNT_BITS)
    if count != expected:
        raise ValueError(f"expected a brush RLE of {width}x{height}x{CHANNELS} = {expected} values, found {count}")
    if (value_bits := reader.read(_VALUE_SIZE_BITS) + 1) != VALUE_BITS:
        raise ValueError(f"expected a brush RLE of {VALUE_BITS} bits a value, found {value_bits}")
    length_bits = [reader.read(_LENGTH_SIZE_BITS) + 1 for _ in LENGTH_BITS]
    values = np.empty(count, np.uint8)
    done = 0
    while done < count:
        repeated = reader.read(1)
        length = reader.read(length_bits[reader.read(_KIND_BITS)]) + 1
        if length > count - done:
            raise ValueError(f"expected a brush RLE of {count} values, found more")
        values[done : done + length] = reader.read(VALUE_BITS) if repeated else reader.read_bytes(length)
        done += length
    return values.reshape(height, width, CHANNELS)[..., -1] >= PERSON_LEVEL


class _BitReader:
    """Reads numbers from a bit stream, highest bit first; ValueError when it ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0  # in bits

    def read(self, bits: int) -> int:
        """The number in the next `bits` bits, 32 at most."""
        first, skipped = divmod(self._advance(bits), 8)
        window = self._data[first : first + _WINDOW_BYTES].ljust(_WINDOW_BYTES, b"\0")
        return int.from_bytes(window) >> (8 * _WINDOW_BYTES - skipped - bits) & ((1 << bits) - 1)

    def read_bytes(self, count: int) -> Pixels:
        """The next `count` bytes, at any bit."""
        start = self._advance(8 * count)
        bits = np.unpackbits(np.frombuffer(self._data[start // 8 : start // 8 + count + 1], np.uint8))
        return np.packbits(bits[start % 8 : start % 8 + 8 * count])

    def _advance(self, bits: int) -> int:
        start = self._position
        self._position += bits
        if self._position > 8 * len(self._data):
            raise ValueError(f"expected a whole brush RLE, found one cut off after {len(self._data)} bytes")
        return start


def _split(lengths: npt.NDArray[np.int64], values: Mask) -> tuple[npt.NDArray[np.int64], Mask]:
    """Split runs that are longer than a record holds: full records come first."""
    records = -(-lengths // _LONGEST_RUN)
    split = np.full(records.sum(), _LONGEST_RUN)
    split[np.cumsum(records) - 1] = lengths - (records - 1) * _LONGEST_RUN
    return split, np.repeat(values, records)


def _bits(codes: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> Pixels:
    """Concatenate the lowest `sizes` bits of each code: uint8 (N,) of 0 and 1."""
    bits = np.unpackbits(codes.astype(">u4")[:, None].view(np.uint8), axis=1)  # (N,) -> (N, 32)
    return bits[np.arange(bits.shape[1]) >= bits.shape[1] - sizes[:, None]]
