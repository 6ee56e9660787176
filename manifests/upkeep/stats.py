"""Statistics of one version, counted without making a Python object of any row, and as text tables.

`Statistics` reads the columns that a question needs, each once; what comes out is as small as a table for people.
Names that somebody else chose (sources, licences, reasons) come without control characters.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from manifests.store.manifest import Manifest

WORDS = ("source", "license", "origin", "teacher", "split", "status", "reason")
NOT_STATED = "(not stated)"  # in the place of a null
NUMBERS = {  # name -> what it is, with its unit
    "width": "width, px",
    "height": "height, px",
    "face_px": "face, shorter side, source px",
    "person_fraction": "person fraction",
    "confidence": "confidence",
    "doubt": "doubt",
    "seconds": "seconds per decision",
}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
NAMES_SHOWN = 40  # sources, licences and the like in a table; the rest is one line

_COUNTED_DIRECTLY = 1 << 22  # combinations: beyond, counting them by sorting takes less memory


@dataclass(frozen=True, slots=True)
class GroupSizes:
    """Near-duplicate groups: how many there are of which size, and the ids of those with several samples."""

    sizes: dict[int, int]
    repeated: pa.StructArray  # values (group_id), counts

    def __len__(self) -> int:
        return sum(self.sizes.values())


class Statistics:
    """One version's numbers, each counted when it is first asked for."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    @cached_property
    def words(self) -> dict[str, pa.DictionaryArray]:
        """Each column of WORDS as codes and names; null codes are nulls of the manifest."""
        table = self.manifest.read(WORDS, encoded=WORDS).unify_dictionaries()
        return {name: _encoded(table[name]) for name in WORDS}

    @property
    def rows(self) -> int:
        return len(self.words["status"])

    def count(self, *by: str) -> pd.DataFrame:
        """The columns `by` (of WORDS) and `rows`: how many rows have each combination that occurs, in order of names.

        `by` may hold two columns of any names at most, or the product of their numbers could overflow.
        """
        columns = [self.words[name] for name in by]
        sizes = [len(column.dictionary) + 1 for column in columns]
        codes = [pc.fill_null(column.indices, len(column.dictionary)).to_numpy() for column in columns]
        combined = np.zeros(self.rows, np.int64)
        for code, size in zip(codes, sizes, strict=True):
            combined *= size
            combined += code
        which, counts = _occurring(combined, combinations=int(np.prod(sizes, dtype=np.float64)))
        names = [[*map(printable, column.dictionary.to_pylist()), NOT_STATED] for column in columns]
        counted: dict[str, Any] = {}
        for name, size, known in reversed(list(zip(by, sizes, names, strict=True))):
            which, code = np.divmod(which, size)
            counted[name] = [known[index] for index in code]
        frame = pd.DataFrame({**{name: counted[name] for name in by}, "rows": counts})
        return frame.groupby(list(by))["rows"].sum().reset_index()  # names may have become equal

    def codes(self, name: str) -> tuple[npt.NDArray[np.int32], list[str]]:
        """For a column of WORDS without nulls: each row's index into the names, and the names."""
        column = self.words[name]
        return column.indices.to_numpy(), column.dictionary.to_pylist()

    def number(self, name: str) -> pa.ChunkedArray:
        """One of NUMBERS of each row, null where it isn't known."""
        if name == "face_px":
            face = self.manifest.read(["face_w", "face_h"])
            return pc.min_element_wise(face["face_w"], face["face_h"], skip_nulls=False)
        if name == "seconds":
            return pc.divide(pc.cast(self.manifest.read(["decision_ms"])["decision_ms"], pa.float32()), 1000.0)
        return self.manifest.read([name])[name]

    @cached_property
    def quantiles(self) -> pd.DataFrame:
        """QUANTILES of each of NUMBERS, and `known`: in how many rows there is one."""
        lines = {}
        for name, what in NUMBERS.items():
            values = self.number(name)
            known = len(values) - values.null_count
            lines[what] = [*pc.quantile(values, list(QUANTILES)).to_pylist(), known]
        columns = [*(f"{share:.0%}" for share in QUANTILES), "known"]
        table = pd.DataFrame.from_dict(lines, orient="index", columns=columns)
        return table.astype({"known": int, **dict.fromkeys(columns[:-1], float)})

    @cached_property
    def groups(self) -> GroupSizes:
        counted = pc.value_counts(self.manifest.read(["group_id"])["group_id"])
        sizes, groups = np.unique(counted.field("counts").to_numpy(), return_counts=True)
        repeated = counted.filter(pc.greater(counted.field("counts"), 1))
        return GroupSizes(dict(zip(sizes.tolist(), groups.tolist(), strict=True)), repeated)


def describe(numbers: Statistics) -> str:
    """Counts per source, split and status; quantiles of sizes and scores; reasons; seconds per decision."""
    with ThreadPoolExecutor(1) as executor:  # the groups take as long as all the rest
        groups = executor.submit(getattr, numbers, "groups")
        tables = _tables(numbers)
        heading = f"{numbers.manifest.path}: {numbers.rows} samples, {len(groups.result())} near-duplicate groups"
    return "\n\n".join([heading, *tables])


def by_status(numbers: Statistics, *by: str) -> pd.DataFrame:
    """A line for each combination of the columns `by`, a column for each status that occurs: numbers of rows."""
    counted = folded(numbers.count(*by, "status"), by[0])
    return counted.pivot_table(index=list(by), columns="status", values="rows", aggfunc="sum", fill_value=0)


def reasons_given(numbers: Statistics) -> pd.DataFrame:
    """`reason` and `rows`, the most frequent first; rows without a reason are left out."""
    counted = folded(numbers.count("reason"), "reason")
    return counted[counted["reason"] != NOT_STATED].sort_values("rows", ascending=False, kind="stable")


def folded(counted: pd.DataFrame, column: str, most: int = NAMES_SHOWN) -> pd.DataFrame:
    """The same counts with no more than `most` names in a column: those of the fewest rows become one, "(N others)"."""
    totals = counted.groupby(column)["rows"].sum().sort_values(ascending=False, kind="stable")
    if len(totals) <= most:
        return counted
    kept = set(totals.index[: most - 1])
    others = f"({len(totals) - len(kept)} others)"
    by = [name for name in counted.columns if name != "rows"]
    renamed = counted.assign(**{column: [name if name in kept else others for name in counted[column]]})
    return renamed.groupby(by)["rows"].sum().reset_index()


def printable(text: str) -> str:
    """A third-party name, with characters that a terminal or a page might obey replaced."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _tables(numbers: Statistics) -> list[str]:
    known = numbers.quantiles.drop(index=NUMBERS["seconds"]).drop(columns="known")
    parts = [
        _titled("samples by source, origin and status", by_status(numbers, "source", "origin")),
        _titled("samples by split and status", by_status(numbers, "split")),
        _titled("quantiles", known.round(3)),
    ]
    reasons = reasons_given(numbers)
    if len(reasons):
        parts.append(
            _titled("reasons of rejected samples", reasons.set_index("reason").rename(columns={"rows": "samples"}))
        )
    seconds = numbers.quantiles.loc[NUMBERS["seconds"]]
    if seconds["known"]:
        parts.append(
            f"seconds per decision: median {seconds['50%']:.2f}, interquartile range "
            f"{seconds['25%']:.2f} to {seconds['75%']:.2f}, {seconds['known']:.0f} decisions"
        )
    return parts


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    joined = column.combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def _occurring(
    values: npt.NDArray[np.int64], *, combinations: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The distinct values, which lie in 0..combinations-1, and how often each occurs."""
    if combinations > _COUNTED_DIRECTLY:
        distinct, counts = np.unique(values, return_counts=True)
        return distinct, counts
    counts = np.bincount(values, minlength=1)
    occurring = np.flatnonzero(counts)
    return occurring, counts[occurring]


def _titled(title: str, table: pd.DataFrame) -> str:
    return f"{title}\n{table.to_string()}"
