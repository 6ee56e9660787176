"""The samples whose rows a publish must look at, from what the last published version holds of the decision log.

A published version records the number and the id of the last event that it holds (`log_seq`, `log_event`). Rows that
are as that version left them, of samples without a later event, stay as they are. All samples are due where this isn't
sure: another log, policy or release, a log restored from a backup, rows that were dropped or came in another order.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests import __version__
from manifests.decisions.log import DecisionLog
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.row_patch import in_parts
from manifests.store.schema import PART_ROWS

OPERATION = "review"


def last_published(store: ManifestStore, base: Manifest) -> Manifest | None:
    """The latest version up to `base` that a publish made."""
    versions = (store.open(version) for version in reversed(store.versions()) if version <= base.version)
    return next((manifest for manifest in versions if manifest.operation == OPERATION), None)


def due_samples(
    published: Manifest, base: Manifest, log: DecisionLog, settings: Mapping[str, Any], columns: Sequence[str]
) -> set[str] | None:
    """The ids of samples with events that `published` doesn't hold, or rows of `base` that differ from it in `columns`.

    None when all samples are due. `settings` are the parameters of the publish, which must be those of that version.
    """
    seq, event = (published.parameters.get(name) for name in ("log_seq", "log_event"))
    same = all(published.parameters.get(name) == value for name, value in settings.items())
    if published.code_version != __version__ or not same or not isinstance(seq, int) or not log.holds(seq, event):
        return None
    due = set(log.samples_after(seq))
    most = log.head()[0]  # more ids than events take longer to look up than the whole log
    if base.version != published.version:
        for ids in _differing(published, base, columns):
            due.update(ids or ())
            if ids is None or len(due) > most:
                return None
    return due


def _differing(before: Manifest, after: Manifest, columns: Sequence[str]) -> Iterator[list[str] | None]:
    """The ids of rows of `after` that are new or differ, part by part; None where the rows don't match."""
    names = list(dict.fromkeys(["sample_id", *columns]))
    nothing = after.take(np.empty(0, np.int64), names)
    parts = (in_parts(version.parts(names), PART_ROWS) for version in (before, after))
    for old, new in zip_longest(*parts, fillvalue=nothing):
        rows = min(old.num_rows, new.num_rows)
        shared, added = new.slice(0, rows), new.slice(rows)
        same = {name: _equal(old[name].slice(0, rows), shared[name]) for name in names}
        if not same["sample_id"].all():
            yield None
            return
        differ = ~np.logical_and.reduce(list(same.values()))
        yield shared["sample_id"].filter(pa.array(differ)).to_pylist() + added["sample_id"].to_pylist()


def _equal(one: pa.ChunkedArray, other: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which values are equal, or both null."""
    if pa.types.is_list(one.type):
        one, other = (pc.binary_join(values, "\n") for values in (one, other))
    equal = pc.if_else(
        pc.or_(pc.is_null(one), pc.is_null(other)), pc.equal(pc.is_null(one), pc.is_null(other)), pc.equal(one, other)
    )
    return equal.to_numpy().astype(bool)
