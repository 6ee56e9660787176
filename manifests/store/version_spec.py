"""The version that a user names: `V` on the command line."""

from pathlib import Path

from manifests.errors import UserError
from manifests.files.storage import place
from manifests.store.manifest import Manifest, ManifestStore

SELECTIONS = "selections"  # directory beside the versions, with one directory per selection


def open_version(spec: str | None, *, manifests: Path, data_root: Path | None = None) -> Manifest:
    """Open a version: `3`, `v3`, or the path or URL of a Parquet file; None is the latest version in `manifests`.

    UserError when `spec` is none of these, or names a missing version.
    """
    if spec is not None and (spec.endswith(".parquet") or "/" in spec):
        return Manifest.open(place(spec), data_root=data_root)
    digits = (spec or "").removeprefix("v")
    if spec is not None and not digits.isdecimal():
        raise UserError(f"expected a version such as 3, v3 or a path, found {spec!r}")
    path = ManifestStore(manifests).open(int(digits) if digits else None).path
    return Manifest.open(path, data_root=data_root)
