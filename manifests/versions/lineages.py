"""Another lineage of versions, and the last version that it has in common with this one."""

from pathlib import Path

from manifests.errors import UserError
from manifests.files.blobs import sha256_hex
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.version_spec import open_version


def open_other(given: Path, *, data_root: Path | None = None) -> Manifest:
    """The latest version of the directory `given`, or the version that is the file `given`."""
    if not given.exists():
        raise UserError(f"expected a manifests directory or a manifest at {given}, found nothing there; check the path")
    if given.is_dir():
        return open_version(None, manifests=given, data_root=data_root)
    return Manifest.open(given, data_root=data_root)


def common_ancestor(store: ManifestStore, other: Manifest) -> Manifest | None:
    """The latest version before or at `other` whose file is the same, byte for byte, here and there; None if none is.

    Versions never change and a copied directory keeps their numbers, so only equal numbers are compared, and of these
    the sizes first.
    """
    there = ManifestStore(other.path.parent)
    if there.path(other.version).resolve() != other.path.resolve():  # a file that was renamed has no history
        return None
    for version in sorted(set(store.versions()) & set(there.versions()), reverse=True):
        if version <= other.version and _same_bytes(store.path(version), there.path(version)):
            return store.open(version)
    return None


def _same_bytes(here: Path, there: Path) -> bool:
    same_size = here.stat().st_size == there.stat().st_size
    return same_size and sha256_hex(here.read_bytes()) == sha256_hex(there.read_bytes())
