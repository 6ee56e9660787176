"""Tables of a report: names, then numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from manifests.upkeep.stats import folded

Cell = str | int


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of names in the first `names` columns and of numbers, or numbers as text, in the others."""

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    names: int = 1


def counts_table(caption: str, frame: pd.DataFrame, column: str, columns: Sequence[str], *by: str) -> Table:
    """Counts (the columns `by`, `column` and `rows`) with a column for each of `columns`, and for their sum."""
    rows: list[list[Cell]] = [
        [*names, *counts, sum(counts)] for names, counts in lines(wide(frame, column, columns, *by))
    ]
    return Table(caption, [*by, *columns, "all"], rows, names=len(by))


def wide(frame: pd.DataFrame, column: str, columns: Sequence[str], *by: str) -> pd.DataFrame:
    """A line for each combination of the columns `by`, the one with most rows first; a column for each of `columns`."""
    table = folded(frame, by[0]).pivot_table(index=list(by), columns=column, values="rows", aggfunc="sum", fill_value=0)
    table = table.reindex(columns=list(columns), fill_value=0)
    return table.loc[table.sum(axis="columns").sort_values(ascending=False, kind="stable").index]


def lines(table: pd.DataFrame) -> list[tuple[list[str], list[int]]]:
    """Names and numbers of each line."""
    names = [name if isinstance(name, tuple) else (name,) for name in table.index.tolist()]
    return list(zip([[*map(str, several)] for several in names], table.to_numpy(int).tolist(), strict=True))


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %"
