"""`--images` (or a flow's `images`) -> source images, and the name of their source."""

import re
from pathlib import Path, PurePosixPath
from typing import Literal

from fsspec.core import url_to_fs

from manifests.errors import UserError
from manifests.files.blobs import BLOBS
from manifests.files.storage import is_remote
from manifests.imports.pairing import find_pairs
from manifests.pixels.image_files import PICTURE_SUFFIXES, list_files
from pipeline.sources.limits import FetchRules
from pipeline.sources.remote import list_remote_pictures
from pipeline.sources.source_image import Picture
from pipeline.sources.tars import is_tar, list_tar_pictures
from pipeline.sources.urls import holds_secret, host_of, parse_web_url, without_credentials
from pipeline.sources.web.url_list import LIST_SUFFIXES, WebAddress, list_web_pictures

Kind = Literal["files", "file system", "tars", "web list", "web address"]

SUBDIRECTORIES_OF_DATASETS = ("images", "img", "input")  # generic names; the dataset's name is the parent's

_FIRST_OF_SEVERAL = re.compile(r"[{*?\[]")  # where a range of numbers or a glob begins


def find_pictures(images: str, masks: str | None = None, *, allow_private_addresses: bool = False) -> list[Picture]:
    """List every source image of `images`, in order of name (a list's in its own); nothing is fetched from the web.

    UserError without any, when a mask has no partner, or when a URL holds a password.
    """
    images = _without_file_protocol(images)
    kind = _kind(images)
    rules = FetchRules(allow_private_addresses=allow_private_addresses)
    if masks is not None:
        return _pairs(images, kind, masks)
    if "://" in images and holds_secret(images):
        raise UserError(
            f"expected a URL without password or token, found one in {without_credentials(images)}; Prefect and the "
            "manifest keep this parameter: configure the file system (FSSPEC_*), or put the URL into a list"
        )
    if kind == "web address":
        return [_web_picture(images, rules)]
    if kind == "web list":
        return list_web_pictures(images, rules)
    if kind == "tars":
        return list_tar_pictures(images)
    if kind == "file system":
        return [Picture(file) for file in list_remote_pictures(images)]
    listing = list_files(Path(images).expanduser())
    return [Picture(path) for path in [*listing.files, *listing.closed]]  # closed ones go to quarantine


def unread_files(images: str) -> str:
    """A line on raw photographs and videos in a directory, which `find_pictures` leaves out; empty without any."""
    images = _without_file_protocol(images)
    return list_files(Path(images).expanduser()).unread_line() if _kind(images) == "files" else ""


def without_blobs(pictures: list[Picture], data_root: Path) -> list[Picture]:
    """Drop the images that are blobs of this dataset, which may lie among the photographs it was made from.

    UserError when nothing remains.
    """
    blobs = (data_root / BLOBS).resolve()
    remaining = [picture for picture in pictures if not _is_in(picture, blobs)]
    if not remaining:
        raise UserError(f"expected source images, found only the dataset's own samples in {blobs}; give other images")
    return remaining


def default_source(images: str) -> str:
    """Default name of the dataset.

    The directory's, or its parent's when that is just `images`; a tar's or list's own; a single URL's host.
    """
    images = _without_file_protocol(images)
    kind = _kind(images)
    if kind == "web address":
        address = parse_web_url(images)
        return host_of(address) if address else images
    if "://" in images:
        path, is_directory = PurePosixPath(images.partition("://")[2]), not _names_files(images)
    else:
        local = Path(images).expanduser().resolve()
        path, is_directory = PurePosixPath(local), local.is_dir()
    own_name = _FIRST_OF_SEVERAL.split(path.stem)[0].rstrip("-_.")
    if kind in ("tars", "web list") and own_name and not own_name.isdecimal():  # 00000.tar says nothing
        return own_name
    directory = path if is_directory else path.parent
    return directory.parent.name if directory.name in SUBDIRECTORIES_OF_DATASETS else directory.name


def _kind(images: str) -> Kind:
    if images.lower().startswith(("http://", "https://")):
        return "web address"
    if "://" not in images and Path(images).expanduser().is_dir():
        return "files"
    if images.lower().endswith(LIST_SUFFIXES):
        return "web list"
    if is_tar(images):
        return "tars"
    return "file system" if "://" in images else "files"


def _pairs(images: str, kind: Kind, masks: str) -> list[Picture]:
    """Pairs of image and mask, case 1."""
    if kind != "files" or "://" in masks:
        remote = without_credentials(masks if kind == "files" else images)
        raise UserError(f"expected directories of this machine beside masks, found {remote}; copy them here first")
    pairs = find_pairs(Path(images).expanduser(), Path(masks).expanduser())
    return [Picture(pair.image, pair.mask) for pair in pairs]


def _web_picture(url: str, rules: FetchRules) -> Picture:
    if is_tar(url) or url.lower().endswith(LIST_SUFFIXES):
        raise UserError(f"expected a seekable tar or list, found {url}; download it first")
    return Picture(WebAddress(url, rules))


def _without_file_protocol(images: str) -> str:
    """Turn file:///photos and local:///photos into their path."""
    return str(url_to_fs(images)[1]) if images.startswith(("file://", "local://")) else images


def _is_in(picture: Picture, directory: Path) -> bool:
    if is_remote(directory):
        return _as_s3(picture.uri).startswith(f"{_as_s3(str(directory))}/")
    return isinstance(picture.image, Path) and picture.image.resolve().is_relative_to(directory)


def _as_s3(url: str) -> str:
    """The URL by the shorter of S3's two names."""
    return url.replace("s3a://", "s3://", 1)


def _names_files(url: str) -> bool:
    """Whether a URL looks like one of a file or a glob."""
    name = PurePosixPath(url).name
    return bool(_FIRST_OF_SEVERAL.search(name)) or name.lower().endswith((*PICTURE_SUFFIXES, *LIST_SUFFIXES, ".tar"))
