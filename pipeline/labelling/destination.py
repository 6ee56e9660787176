"""Destination of a run's version: the directory of the versions, and the data root of its blobs."""

from dataclasses import dataclass
from pathlib import Path

from manifests.errors import UserError
from manifests.files.storage import is_remote, place, relative, require_exclusive
from manifests.store.manifest import ManifestStore


@dataclass(frozen=True, slots=True)
class Destination:
    """A directory or URL of versions, and the data root of the next one; None: the recorded one."""

    manifests: str
    data: str | None = None

    def open(self) -> tuple[ManifestStore, Path]:
        """Return the store of the versions and the data root of the next one.

        UserError when versions at a URL can't be written there, or name blobs of this machine; when `manifests` is no
        directory; and when the dataset's blobs are not in `data`: a version has one data root for all its rows.
        """
        store = ManifestStore(self.manifests)
        if is_remote(store.root):
            require_exclusive(store.root)
        elif store.root.exists() and not store.root.is_dir():
            raise UserError(f"expected a directory of versions at {store.root}, found a file; give another --manifests")
        recorded = store.data_root()
        data_root = place(self.data) if self.data else recorded
        relative(data_root, store.root)
        if store.versions() and data_root.resolve() != recorded.resolve():
            blobs = store.open().read(["image", "mask"])
            paths = blobs["image"].to_pylist() + blobs["mask"].to_pylist()
            missing = sum(not (data_root / path).is_file() for path in paths)
            if missing:
                raise UserError(
                    f"expected the dataset's blobs in {data_root}, found {missing} of them missing; they belong in "
                    f"{recorded}: leave --data out, or move that directory's blobs first"
                )
        return store, data_root
