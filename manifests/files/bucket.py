"""Objects of an S3 bucket with their versions: what makes a deletion exact where there are no locks.

Between a look at an object and its deletion a writer may store it again. In a bucket with versioning each store makes a
version with an id of its own, and a deletion that names ids leaves every other version.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from manifests.errors import UserError

if TYPE_CHECKING:
    from upath import UPath

S3 = ("s3", "s3a")
_A_REQUEST = 1000  # keys of one deletion: S3's limit


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that exists: its name, the ids of all its versions, their size, and when the latest was stored.

    `modified_at` is in seconds since the epoch, by the bucket's clock.
    """

    name: str
    version_ids: tuple[str, ...]
    size_bytes: int
    modified_at: float


class Bucket:
    """The objects below one URL."""

    def __init__(self, root: Path) -> None:
        """UserError unless the URL is of S3."""
        remote = cast("UPath", root)
        if remote.protocol not in S3:
            raise UserError(
                f"expected a directory or an s3:// URL, found {root}: only S3 can delete a file as it was seen, "
                "without a new one of its name"
            )
        self._url = root
        self._fs = remote.fs
        self._name, _, self._prefix = remote.path.strip("/").partition("/")

    def require_versioning(self) -> None:
        """UserError unless every store makes a version of its own."""
        if self._call("get_bucket_versioning").get("Status") != "Enabled":
            raise UserError(
                f"expected a bucket with versioning at {self._url}, found none: a blob that is stored again while it "
                "is being deleted would be lost; turn versioning on, then run this again"
            )

    def clock(self) -> float:
        """The time now, in seconds since the epoch, by the clock that stamps the objects."""
        headers = self._call("head_bucket")["ResponseMetadata"]["HTTPHeaders"]
        return parsedate_to_datetime(headers["date"]).timestamp()

    def objects(self, directory: str) -> Iterator[StoredObject]:
        """The objects below `directory`, in order of name; names are relative to it."""
        prefix = f"{self._prefix}/{directory}/".lstrip("/")
        for key, versions in groupby(self._versions(prefix), itemgetter("Key")):
            found = list(versions)
            latest = next((version for version in found if version["IsLatest"]), None)
            if latest:  # else the latest is a deletion: there is no object
                modified_at: datetime = latest["LastModified"]
                ids = tuple(version["VersionId"] for version in found)
                size_bytes = sum(version["Size"] for version in found)
                yield StoredObject(key.removeprefix(prefix), ids, size_bytes, modified_at.timestamp())

    def delete(self, directory: str, objects: Iterable[StoredObject]) -> None:
        """Delete these versions for good; OSError names the first that S3 keeps."""
        prefix = f"{self._prefix}/{directory}/".lstrip("/")
        versions = (
            {"Key": prefix + stored.name, "VersionId": version_id}
            for stored in objects
            for version_id in stored.version_ids
        )
        while batch := list(islice(versions, _A_REQUEST)):
            answer = self._call("delete_objects", Delete={"Objects": batch, "Quiet": True})
            for error in answer.get("Errors", ()):
                raise OSError(f"expected to delete {error['Key']} at {self._url}, found: {error['Message']}")

    def _versions(self, prefix: str) -> Iterator[dict[str, Any]]:
        """The versions below `prefix`, without deletions, in order of key."""
        markers: dict[str, str] = {}
        while True:
            answer = self._call("list_object_versions", Prefix=prefix, **markers)
            yield from answer.get("Versions", ())
            if not answer.get("IsTruncated"):
                return
            markers = {"KeyMarker": answer["NextKeyMarker"], "VersionIdMarker": answer["NextVersionIdMarker"]}

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._fs.call_s3(method, Bucket=self._name, **parameters)
        return answer
