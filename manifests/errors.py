"""Errors that a person can cause. Their text is one line: expected, found, remedy."""

from collections.abc import Collection, Iterable, Mapping

NAMES_LISTED = 5  # of many things that are wrong; the count says how many there are


class UserError(Exception):
    """A state of the world the user can mend. Commands print its one line and exit with 1."""


def lines_on(names_of: Mapping[str, Collection[str]]) -> list[str]:
    """A line as `listed` writes it for each kind that has names."""
    return [listed(what, names) for what, names in names_of.items() if names]


def listed(what: str, names: Iterable[str]) -> str:
    """`12 masks (a, b, c, d, e and 7 more)`: how many there are, and the first by name."""
    ordered = sorted(names)
    more = f" and {len(ordered) - NAMES_LISTED} more" if len(ordered) > NAMES_LISTED else ""
    return f"{len(ordered)} {what} ({', '.join(ordered[:NAMES_LISTED])}{more})"
