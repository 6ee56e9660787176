"""Errors that a user can cause. Their text is one line: expected, found, remedy."""

from collections.abc import Collection, Iterable, Mapping

NAMES_LISTED = 5  # of many problems


class UserError(Exception):
    """A state of the world that the user can mend. Commands print its one line and exit with 1."""


def install_extra(extra: str) -> str:
    """The remedy for a missing optional package: how its extra is installed."""
    return f"pip install 'maskfoundry[{extra}]', or in a checkout: make setup EXTRAS={extra}"


def lines_on(names_of: Mapping[str, Collection[str]]) -> list[str]:
    """A line by `listed` for each kind that has names."""
    return [listed(what, names) for what, names in names_of.items() if names]


def listed(what: str, names: Iterable[str]) -> str:
    """`12 masks (a, b, c, d, e and 7 more)`: the count, and the first names."""
    ordered = sorted(names)
    more = f" and {len(ordered) - NAMES_LISTED} more" if len(ordered) > NAMES_LISTED else ""
    return f"{len(ordered)} {what} ({', '.join(ordered[:NAMES_LISTED])}{more})"
