"""The labels that are person: `--category`, one vocabulary for every format that names its labels.

A label's name in any case, several with commas between (`body,head`), or `all`: every label but the background.
"""

from collections.abc import Collection, Iterable

from manifests.errors import UserError

ALL = "all"
BACKGROUNDS = frozenset(
    {"background", "_background_", "__background__", "bg", "ignore", "__ignore__", "void", "unlabeled"}
)

_MOST_LISTED = 12


def labels_in(category: str, known: Iterable[str]) -> frozenset[str]:
    """The labels of `known` that `category` names, in lower case; empty when it names none of them."""
    labels = {label.lower() for label in known}
    wanted = category.lower().strip()
    if wanted in labels:
        return frozenset({wanted})  # also one whose name holds a comma
    if wanted == ALL:
        return frozenset(labels - BACKGROUNDS)
    return frozenset(_parts(wanted) & labels)


def chosen_labels(category: str, known: Collection[str], place: object, *, what: str = "category") -> frozenset[str]:
    """As `labels_in`; UserError, with the `place` of the labels, when a name is not among `known`, or none is left."""
    chosen = labels_in(category, known)
    wanted = category.lower().strip()
    missing = sorted(_parts(wanted) - chosen) if wanted != ALL and wanted not in chosen else []
    if missing or not chosen:
        raise UserError(
            f"expected the {what} {', '.join(missing) or category} in {place}, found {listing(known)}; "
            "pass --category NAME, several with commas between, or all"
        )
    return chosen


def listing(labels: Iterable[str]) -> str:
    """The first labels in alphabetical order, for a message; `none` without one."""
    ordered = sorted(labels)
    return (", ".join(ordered[:_MOST_LISTED]) + (", ..." if len(ordered) > _MOST_LISTED else "")) or "none"


def _parts(wanted: str) -> set[str]:
    return {part.strip() for part in wanted.split(",") if part.strip()}
