"""Frames out of and into video files, one at a time: a video of any length takes the memory of a few frames.

OpenCV and the FFmpeg in its wheel do the work. Sound is not kept. H.264 can be read and, for want of an encoder in
the wheel, not be written.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from manifests.errors import UserError
from manifests.files.atomic import replacing
from manifests.pixels.geometry import Pixels
from trainer.predict.inputs import Camera, Footage

FOURCCS = {  # suffix -> what is written in it
    ".mp4": "mp4v",  # MPEG-4 part 2: small, plays nearly everywhere but in browsers
    ".avi": "MJPG",  # every frame a JPEG
    ".mkv": "FFV1",  # without loss: masks come back as they were
}
DEFAULT_FPS = 25.0  # where a file or a camera doesn't say

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's own lines: ours says what is wrong


@dataclass(frozen=True, slots=True)
class Video:
    """Footage that is open: size in pixels, frames per second, and how many frames it says to have, if any."""

    source: Footage
    width: int
    height: int
    fps: float
    stated_frames: int | None
    _capture: cv2.VideoCapture
    _first: Pixels

    def frames(self) -> Iterator[Pixels]:
        """RGB (height, width, 3), once. Frames of another size than the first are scaled to it by FFmpeg."""
        bgr: Pixels | None = self._first
        while bgr is not None:
            yield np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
            bgr = _read(self._capture)


@contextmanager
def open_video(source: Footage) -> Iterator[Video]:
    """A video file or a camera; UserError when there is none, or not a single frame can be read."""
    with _quiet():
        capture = cv2.VideoCapture(source.number if isinstance(source, Camera) else str(source))
    try:
        if not capture.isOpened():
            raise UserError(_refusal(source))
        first = _read(capture)
        if first is None:
            raise UserError(f"expected frames in {source}, found not one that can be decoded; check the file")
        height, width = first.shape[:2]
        fps, stated = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        yield Video(
            source,
            width,
            height,
            fps if math.isfinite(fps) and 0 < fps <= 1000 else DEFAULT_FPS,
            round(stated) if math.isfinite(stated) and 0 < stated < 1e9 else None,
            capture,
            first,
        )
    finally:
        capture.release()


class VideoWriter:
    """Writes RGB or grey frames of one size to a video file."""

    def __init__(self, path: Path, *, fps: float, width: int, height: int) -> None:
        self._size = width, height
        fourcc = cv2.VideoWriter.fourcc(*FOURCCS[path.suffix])
        with _quiet():
            self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, fps, _even(width, height))
        if not self._writer.isOpened():
            raise UserError(
                f"expected to write {width}x{height} video at {fps:g} fps to {path.parent}, found no way to"
            )

    def write(self, frame: Pixels) -> None:
        """RGB (height, width, 3) or grey (height, width)."""
        bgr = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR if frame.ndim == 2 else cv2.COLOR_RGB2BGR)
        width, height = _even(*self._size)
        extra = width - self._size[0], height - self._size[1]
        if any(extra):
            bgr = cv2.copyMakeBorder(bgr, 0, extra[1], 0, extra[0], cv2.BORDER_REPLICATE)
        self._writer.write(bgr)

    def close(self) -> None:
        self._writer.release()


@contextmanager
def writing_video(path: Path, *, fps: float, width: int, height: int) -> Iterator[VideoWriter]:
    """`path` is there, whole, when the block ends well."""
    with replacing(path) as temporary:
        writer = VideoWriter(temporary, fps=fps, width=width, height=height)
        try:
            yield writer
        finally:
            writer.close()


def _even(width: int, height: int) -> tuple[int, int]:
    """Encoders take no odd sides: such a frame's last row or column is written twice."""
    return width + width % 2, height + height % 2


def _read(capture: cv2.VideoCapture) -> Pixels | None:
    """The next frame, BGR; None at the end."""
    with _quiet():
        there, bgr = capture.read()
    return np.asarray(bgr, np.uint8) if there else None


def _refusal(source: Footage) -> str:
    if isinstance(source, Camera):
        return f"expected a camera number {source.number}, found none that opens; connect one or give a video file"
    if not source.stat().st_size:
        return f"expected a video, found 0 bytes in {source}"
    return f"expected a video that OpenCV can open, found something else in {source}; check or convert the file"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without OpenCV's own lines on standard error."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
