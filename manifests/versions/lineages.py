"""Another lineage of versions, and the common ancestor."""

from pathlib import Path

from manifests.errors import UserError
from manifests.files.blobs import sha256_hex
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.version_spec import open_version


def open_other(path: Path, *, data_root: Path | None = None) -> Manifest:
    """Open the latest version of a directory, or the version in a file."""
    if not path.exists():
        raise UserError(f"expected a manifests directory or a manifest at {path}, found nothing there; check the path")
    if path.is_dir():
        return open_version(None, manifests=path, data_root=data_root)
    return Manifest.open(path, data_root=data_root)


def common_ancestor(store: ManifestStore, other: Manifest) -> Manifest | None:
    """The latest version, up to `other`, with the same bytes in both lineages; None without one.

    Versions never change and a copied directory keeps their numbers, so only equal numbers are compared, sizes first.
    """
    other_store = ManifestStore(other.path.parent)
    if other_store.path(other.version).resolve() != other.path.resolve():  # a renamed file has no history
        return None
    for version in sorted(set(store.versions()) & set(other_store.versions()), reverse=True):
        if version <= other.version and _same_bytes(store.path(version), other_store.path(version)):
            return store.open(version)
    return None


def _same_bytes(ours: Path, theirs: Path) -> bool:
    same_size = ours.stat().st_size == theirs.stat().st_size
    return same_size and sha256_hex(ours.read_bytes()) == sha256_hex(theirs.read_bytes())
