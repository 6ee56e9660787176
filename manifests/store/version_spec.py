"""The version that a user names: `V` on the command line."""

from pathlib import Path

from manifests.errors import UserError
from manifests.files.storage import place
from manifests.store.manifest import Manifest, ManifestStore

SELECTIONS = "selections"  # directory of the lines of selections, beside the versions


def open_version(given: str | None, *, manifests: Path, data_root: Path | None = None) -> Manifest:
    """`given` is a number, `v3`, or the path or URL of a Parquet file; None is the latest version in `manifests`.

    UserError when it is none of these, or when there is no such version.
    """
    if given is not None and (given.endswith(".parquet") or "/" in given):
        return Manifest.open(place(given), data_root=data_root)
    digits = (given or "").removeprefix("v")
    if given is not None and not digits.isdecimal():
        raise UserError(f"expected a version such as 3, v3 or a path, found {given!r}")
    path = ManifestStore(manifests).open(int(digits) if digits else None).path
    return Manifest.open(path, data_root=data_root)
