"""Rules across rows: no sample_id twice, no near-duplicate group in two splits.

Both take the rows part by part and keep numbers, some 40 bytes a row together, until the table ends. Nulls and ids that
aren't hex digits are left to other rules.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.store.hexdigits import ID_DIGITS, Numbers, id_numbers

_Rows = npt.NDArray[np.int64]
_Codes = npt.NDArray[np.int32]


class RepeatedIds:
    """Rows whose sample_id another row has as well."""

    def __init__(self) -> None:
        self._ids: list[Numbers] = []
        self._rows: list[_Rows] = []

    def add(self, ids: pa.ChunkedArray, *, first_row: int) -> None:
        keys, places = _sound(ids)
        self._ids.append(keys)
        self._rows.append(places + first_row)

    def find(self, *, named: int) -> tuple[int, list[tuple[int, str]]]:
        """The count of such rows, and the row number and id of the first `named`."""
        ids, rows = _joined(self._ids), np.concatenate([*self._rows, np.empty(0, np.int64)])
        ordered = np.sort(ids[:, 0])
        suspects = np.flatnonzero(np.isin(ids[:, 0], ordered[1:][ordered[1:] == ordered[:-1]]))  # by their upper half
        _ids, inverse, counts = np.unique(ids[suspects], axis=0, return_inverse=True, return_counts=True)
        repeated = suspects[counts[inverse.ravel()] > 1]
        return len(repeated), [(int(rows[place]), _text(ids[place])) for place in repeated[:named]]


class SplitLeaks:
    """Groups whose rows lie in more than one split."""

    def __init__(self) -> None:
        self._numbered: dict[str, int] = {}  # each split, including unknown ones
        self._groups: list[Numbers] = []
        self._codes: list[_Codes] = []  # which split

    def add(self, groups: pa.ChunkedArray, splits: pa.ChunkedArray) -> None:
        codes = self._number(splits)
        keys, places = _sound(groups)
        known = codes[places] >= 0
        self._groups.append(keys[known])
        self._codes.append(codes[places][known])

    def find(self) -> list[str]:
        """The ids of those groups, ascending."""
        groups, codes = _joined(self._groups), np.concatenate([*self._codes, np.empty(0, np.int32)])
        suspects = np.isin(groups[:, 0], _in_two(groups[:, 0], codes))  # by their upper half
        pairs = np.unique(np.column_stack([groups[suspects], codes[suspects].astype(np.uint64)]), axis=0)
        again = (pairs[1:, :2] == pairs[:-1, :2]).all(axis=1)  # the same group with another split
        return [_text(group) for group in np.unique(pairs[1:][again, :2], axis=0)]

    def _number(self, splits: pa.ChunkedArray) -> _Codes:
        """The number of each row's split; -1 for null."""
        encoded = splits.combine_chunks().dictionary_encode()
        numbers = [self._numbered.setdefault(split, len(self._numbered)) for split in encoded.dictionary.to_pylist()]
        return np.array([*numbers, -1], np.int32)[pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)]


def _in_two(upper: Numbers, codes: _Codes) -> Numbers:
    """The numbers that occur with more than one code."""
    each = [np.unique(upper[codes == code]) for code in np.unique(codes)]
    together = np.sort(np.concatenate([*each, np.empty(0, np.uint64)]))
    return together[1:][together[1:] == together[:-1]]


def _text(key: Numbers) -> str:
    upper, lower = key.tolist()
    return f"{upper:016x}{lower:016x}"


def _sound(ids: pa.ChunkedArray) -> tuple[Numbers, _Rows]:
    """The ids that are hex digits, as numbers (N, 2), and their places."""
    keys = id_numbers(ids)
    if keys is not None:
        return keys, np.arange(len(keys), dtype=np.int64)
    usable = pc.fill_null(pc.match_substring_regex(ids, rf"^[0-9a-f]{{{ID_DIGITS}}}$"), False)
    keys = id_numbers(ids.filter(usable))
    assert keys is not None, "others are filtered out"
    return keys, np.flatnonzero(usable.to_numpy())


def _joined(parts: list[Numbers]) -> Numbers:
    return np.concatenate([*parts, np.empty((0, 2), np.uint64)])
