"""`--input`: images and videos by their suffix, or a camera."""

import re
from dataclasses import dataclass
from pathlib import Path

from manifests.errors import UserError
from manifests.pixels.image_files import PICTURE_SUFFIXES, list_pictures

# Those whose containers PyAV's FFmpeg opens. An animated .gif counts as an image, and is refused as one.
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mjpeg", ".wmv", ".flv", ".ogv", ".3gp", ".ts"}
)

_CAMERA = re.compile(r"webcam(?::(\d+))?")


@dataclass(frozen=True, slots=True)
class Camera:
    """The machine's camera of that number, from 0."""

    number: int

    def __str__(self) -> str:
        return f"webcam:{self.number}"


Footage = Path | Camera


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs, in order."""

    pictures: list[Path]
    footage: list[Footage]

    def __len__(self) -> int:
        return len(self.pictures) + len(self.footage)


def find_inputs(stated: str) -> Inputs:
    """A file, a directory's images and videos at any depth, a glob, `webcam` or `webcam:N`; UserError without any."""
    camera = _CAMERA.fullmatch(stated)
    if camera:
        return Inputs([], [Camera(int(camera[1] or 0))])
    if stated.startswith("webcam:"):
        raise UserError(f"expected a number after webcam: as in webcam:0, found {stated}")
    files = list_pictures(Path(stated), PICTURE_SUFFIXES | VIDEO_SUFFIXES)
    footage: list[Footage] = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
    return Inputs([path for path in files if path.suffix.lower() not in VIDEO_SUFFIXES], footage)


def stem(source: Footage) -> str:
    """The start of its outputs' names."""
    return f"webcam-{source.number}" if isinstance(source, Camera) else source.stem
