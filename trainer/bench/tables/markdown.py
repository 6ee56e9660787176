"""Markdown tables whose columns are padded to one width, readable in a terminal."""

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column is left-aligned, the others are right-aligned."""
    columns = [_padded(cells, left=not i) for i, cells in enumerate(zip(header, *rows, strict=True))]
    return "\n".join(f"| {' | '.join(line)} |" for line in zip(*columns, strict=True))


def _padded(cells: Sequence[str], *, left: bool) -> list[str]:
    """A column's cells at the width of the longest, with Markdown's rule after the first."""
    width = max(map(len, cells))
    head, *others = (cell.ljust(width) if left else cell.rjust(width) for cell in cells)
    return [head, "-" * width if left else "-" * (width - 1) + ":", *others]
