"""The version under review, with its pixels beside it."""

import time
from collections.abc import Callable
from pathlib import Path

from manifests.errors import UserError
from manifests.files.storage import is_remote, require_exclusive
from manifests.store.manifest import Manifest, ManifestStore

WAIT_SECONDS = 0.5  # between two looks for the first version


def wait_for_version(store: ManifestStore, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Return when the store has a version; `pipeline.generate` may still be making its first one."""
    while not store.versions():
        sleep(WAIT_SECONDS)


def open_version(
    manifests: Path, *, path: Path | None = None, data: Path | None = None
) -> tuple[Manifest, ManifestStore]:
    """The manifest at `path`, or the latest in the directory `manifests`, and its store; `data` is its data root.

    Both may be at a URL. Raises UserError when there is none, when publishing can't create versions there, or when the
    data root is missing.
    """
    store = ManifestStore(path.parent if path else manifests)
    manifest = Manifest.open(path or store.open().path, data_root=data)
    if is_remote(store.root):
        require_exclusive(store.root)
    if not manifest.data_root.is_dir():
        raise UserError(
            f"expected the data root of {manifest.path} at {manifest.data_root}, found no directory; "
            "give the right one with --data"
        )
    return manifest, store
