"""Statistics of one version, and as text tables.

`Statistics` reads only the needed columns, each once, and counts without Python objects for rows. Control characters in
third-party names (sources, licences, reasons) are replaced.
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

from manifests.decisions.decision import reasons_of
from manifests.decisions.pairs import count_pairs
from manifests.store.manifest import Manifest

WORDS = ("source", "license", "origin", "teacher", "split", "status", "reason", "decided_by")
NOT_STATED = "(not stated)"  # for a null
NUMBERS = {  # name -> label with unit
    "width": "width, px",
    "height": "height, px",
    "face_px": "face, shorter side, source px",
    "person_fraction": "person fraction",
    "confidence": "confidence",
    "doubt": "doubt",
    "seconds": "seconds per decision",
}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
NAMES_SHOWN = 40  # sources, licences, ... in a table; the rest is one line

_COUNTED_DIRECTLY = 1 << 22  # combinations; beyond, sorting takes less memory


@dataclass(frozen=True, slots=True)
class GroupSizes:
    """Near-duplicate groups: their number by size, and the ids of those with several samples."""

    sizes: dict[int, int]
    repeated: pa.StructArray  # values (group_id), counts

    def __len__(self) -> int:
        return sum(self.sizes.values())


class Statistics:
    """One version's numbers, each computed on first access."""

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
        """The columns `by` (of WORDS) and `rows`, the count of each combination that occurs, in order of names.

        At most two columns of `by` may have arbitrary names, else the product of their numbers could overflow.
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
        cells: dict[str, Any] = {}
        for name, size, known in reversed(list(zip(by, sizes, names, strict=True))):
            which, code = np.divmod(which, size)
            cells[name] = [known[index] for index in code]
        frame = pd.DataFrame({**{name: cells[name] for name in by}, "rows": counts})
        return frame.groupby(list(by))["rows"].sum().reset_index()  # `printable` may make names equal

    def codes(self, name: str) -> tuple[npt.NDArray[np.int32], list[str]]:
        """For a column of WORDS without nulls, each row's index into the names, and the names."""
        column = self.words[name]
        return column.indices.to_numpy(), column.dictionary.to_pylist()

    def number(self, name: str) -> pa.ChunkedArray:
        """One of NUMBERS for each row; null when unknown."""
        if name == "face_px":
            face = self.manifest.read(["face_w", "face_h"])
            return pc.min_element_wise(face["face_w"], face["face_h"], skip_nulls=False)
        if name == "seconds":
            return pc.divide(pc.cast(self.manifest.read(["decision_ms"])["decision_ms"], pa.float32()), 1000.0)
        return self.manifest.read([name])[name]

    @cached_property
    def quantiles(self) -> pd.DataFrame:
        """QUANTILES of each of NUMBERS, and `known`, the number of rows with one."""
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
        counts = pc.value_counts(self.manifest.read(["group_id"])["group_id"])
        sizes, groups = np.unique(counts.field("counts").to_numpy(), return_counts=True)
        repeated = counts.filter(pc.greater(counts.field("counts"), 1))
        return GroupSizes(dict(zip(sizes.tolist(), groups.tolist(), strict=True)), repeated)


def describe(numbers: Statistics) -> str:
    """Counts per source, split and status; quantiles of sizes and scores; reasons; seconds per decision."""
    with ThreadPoolExecutor(1) as executor:  # the groups take as long as all the rest
        groups = executor.submit(getattr, numbers, "groups")
        tables = _tables(numbers)
        heading = f"{numbers.manifest.path}: {numbers.rows} samples, {len(groups.result())} near-duplicate groups"
    return "\n\n".join([heading, *tables])


def by_status(numbers: Statistics, *by: str) -> pd.DataFrame:
    """Numbers of rows: a line for each combination of the columns `by`, a column for each status that occurs."""
    counts = folded(numbers.count(*by, "status"), by[0])
    return counts.pivot_table(index=list(by), columns="status", values="rows", aggfunc="sum", fill_value=0)


def reasons_given(numbers: Statistics) -> pd.DataFrame:
    """`reason` and `rows`, the most frequent first. Rows without a reason are left out; several count singly."""
    counts = numbers.count("reason")
    single = counts.assign(reason=counts["reason"].map(reasons_of)).explode("reason")
    given = folded(single.groupby("reason", sort=False)[["rows"]].sum().reset_index(), "reason")
    return given[given["reason"] != NOT_STATED].sort_values("rows", ascending=False, kind="stable")


def accepted_by_policies(numbers: Statistics) -> pd.DataFrame:
    """`decided_by` and `rows`: accepted samples that no person has looked at, by policy."""
    by_policy = folded(numbers.count("decided_by"), "decided_by")
    return by_policy[by_policy["decided_by"] != NOT_STATED]


def folded(counts: pd.DataFrame, column: str, most: int = NAMES_SHOWN) -> pd.DataFrame:
    """Reduce a column to `most` names: those with the fewest rows become one, "(N others)"."""
    totals = counts.groupby(column)["rows"].sum().sort_values(ascending=False, kind="stable")
    if len(totals) <= most:
        return counts
    kept = set(totals.index[: most - 1])
    others = f"({len(totals) - len(kept)} others)"
    by = [name for name in counts.columns if name != "rows"]
    renamed = counts.assign(**{column: [name if name in kept else others for name in counts[column]]})
    return renamed.groupby(by)["rows"].sum().reset_index()


def printable(text: str) -> str:
    """Replace characters of a third-party name that could control a terminal or a page."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _tables(numbers: Statistics) -> list[str]:
    known = numbers.quantiles.drop(index=NUMBERS["seconds"]).drop(columns="known")
    parts = [
        _titled("samples by source, origin and status", by_status(numbers, "source", "origin")),
        _titled("samples by split and status", by_status(numbers, "split")),
        _titled("quantiles", known.round(3)),
    ]
    if pairs := count_pairs(numbers.manifest):
        parts.append(f"samples with two masks to choose from: {pairs:,}")
    unseen = accepted_by_policies(numbers)
    if len(unseen):
        parts.append(_titled("samples accepted by a policy, without a look", unseen.set_index("decided_by")))
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
    """The distinct values, all in 0..combinations-1, and their counts."""
    if combinations > _COUNTED_DIRECTLY:
        distinct, counts = np.unique(values, return_counts=True)
        return distinct, counts
    counts = np.bincount(values, minlength=1)
    occurring = np.flatnonzero(counts)
    return occurring, counts[occurring]


def _titled(title: str, table: pd.DataFrame) -> str:
    return f"{title}\n{table.to_string()}"
