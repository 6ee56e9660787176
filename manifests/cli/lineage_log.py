"""The decision log of a lineage."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

from manifests.decisions.log import DecisionLog, existing_log, sqlite_url
from manifests.errors import UserError
from manifests.store.manifest import ManifestStore


@contextmanager
def lineage_log(
    store: ManifestStore,
    database_url: str | None,
    data_root: Path,
    *,
    need: str | None = "the next publish depends on it",
) -> Iterator[DecisionLog | None]:
    """Open the decision log, None before the first review.

    UserError, with `need` as the reason, when reviews were published and the log is missing; None allows that.
    """
    log = existing_log(database_url, data_root)
    if log is None and need and any(manifest.operation == "review" for manifest in store.history()):
        raise UserError(
            f"expected the decision log {sqlite_url(data_root)}, found none, though reviews were published: {need}; "
            "pass --database-url"
        )
    with closing(log) if log else nullcontext():
        yield log
