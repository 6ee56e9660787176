"""A queue whose less doubtful half can be accepted without a look, and the masks that its audit looks at."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from made_rows import commit, rows

from manifests.decisions.acceptance import Queue
from manifests.decisions.decision import MaskKey
from manifests.store.manifest import ManifestStore
from manifests.store.schema import SCHEMA

ROWS = 1200


def queue_in_halves(root: Path) -> ManifestStore:
    """v1: 1,200 pending masks, the first half of a doubt around 0.002, the other half around 0.3."""
    store = ManifestStore(root / "manifests")
    doubts = np.concatenate([np.linspace(0.001, 0.003, ROWS // 2), np.linspace(0.2, 0.4, ROWS // 2)])
    doubt = SCHEMA.get_field_index("doubt"), SCHEMA.field("doubt"), pa.array(doubts, pa.float32())
    commit(store, rows(ROWS).set_column(*doubt), None)
    return store


def audit_masks(store: ManifestStore, count: int, quantile: float = 0.5) -> list[MaskKey]:
    """The first masks of the audit of a part of v1."""
    queue = Queue.of(store.open(1))
    order = queue.order(0)
    inside = queue.doubts <= np.quantile(queue.doubts, quantile, method="inverted_cdf")
    return [queue.keys[place] for place in order[inside[order]][:count]]
