"""A run on Prefect's pages: its progress, its counts, and a report.

Three artifacts, whose newest version is under their key on the page Artifacts. When one can't be made or stored, a
warning is logged and the run goes on.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import ObjectNotFound
from prefect.futures import PrefectFuture, as_completed
from prefect.settings import PREFECT_API_URL

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from pipeline.labelling.commit import Generated
from pipeline.labelling.report import (
    Labelled,
    counts_table,
    data_url,
    masks_sheet,
    page,
    stays_here,
    summarise,
    write_sheet,
)
from pipeline.labelling.shards import ShardResult
from pipeline.run import progress_bar

PROGRESS = "generate-progress"
COUNTS = "generate-counts"
REPORT = "generate-report"


def watch(futures: Sequence[PrefectFuture[ShardResult]], pictures: Sequence[int]) -> Labelled:
    """Wait for the shards, in any order, and show progress; `pictures` is the number of images in each.

    The first shard that fails raises its error.
    """
    started = time.monotonic()
    sizes = dict(zip(futures, pictures, strict=True))
    results: dict[PrefectFuture[ShardResult], ShardResult] = {}
    total = sum(pictures)
    with progress_bar.shown(total):
        progress = _start_progress(f"0 of {len(futures)} shards, 0 of {total} images")
        for future in as_completed(list(futures)):
            results[future] = future.result()
            finished = sum(sizes[done] for done in results)
            resumed = sum(sizes[done] for done, result in results.items() if result.resumed)
            progress_bar.reach(finished, resumed=resumed)
            text = f"{len(results)} of {len(futures)} shards, {finished} of {total} images"
            _show_progress(progress, 100 * finished / total, text)
    return Labelled([results[future] for future in futures], pictures, time.monotonic() - started)


def show_report(labelled: Labelled, generated: Generated, data_root: Path) -> str | None:
    """Show the counts as a table, and the report with its contact sheet, a file under the data root.

    Returns the sheet's path, None where it couldn't be written.
    """
    path = None
    with _warning_on_failure():
        summary = summarise(labelled, generated)
        sheet = masks_sheet(labelled.results, BlobStore(data_root))
        path = write_sheet(sheet, labelled.results, data_root).resolve()
        embedded = data_url(sheet) if stays_here(PREFECT_API_URL.value()) else None
        create_table_artifact(counts_table(summary), key=COUNTS, description=f"Counts of {summary.manifest}")
        create_markdown_artifact(page(summary, path, embedded), key=REPORT, description="Report of the finished run")
    return str(path) if path else None


def _start_progress(text: str) -> UUID | None:
    with _warning_on_failure():
        started: Any = create_progress_artifact(0.0, key=PROGRESS, description=text)  # typed as if it may be awaited
        return UUID(str(started))
    return None


def _show_progress(artifact: UUID | None, percent: float, text: str) -> None:
    if artifact is not None:
        with _warning_on_failure():
            update_progress_artifact(artifact, percent, description=text)


@contextmanager
def _warning_on_failure() -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, ObjectNotFound, UserError, OSError) as error:  # no server, no artifact, no blob, no space
        get_run_logger().warning("expected to show this run on Prefect's pages, found: %s", error)
