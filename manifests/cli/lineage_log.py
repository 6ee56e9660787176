"""The decision log that a lineage's next version depends on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from manifests.decisions.log import DecisionLog, existing_log, sqlite_url
from manifests.errors import UserError
from manifests.store.manifest import ManifestStore


@contextmanager
def lineage_log(store: ManifestStore, database_url: str | None, data_root: Path) -> Iterator[DecisionLog | None]:
    """The decision log, None before the first review; UserError when reviews were published and the log is missing."""
    log = existing_log(database_url, data_root)
    if log is None and any(manifest.operation == "review" for manifest in store.history()):
        raise UserError(
            f"expected the decision log {sqlite_url(data_root)}, found none, though reviews were published: the next "
            "publish depends on it; pass --database-url"
        )
    try:
        yield log
    finally:
        if log is not None:
            log.close()
