"""Frames of a video file, read by PyAV and the FFmpeg in its wheel, at the times that the file states."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from manifests.pixels.geometry import Pixels
from trainer.predict.video.frame_times import FrameTimes, start_seconds
from trainer.predict.video.frames import HD_ROWS, SQUARE, Frame, UnusableFootage, Video, usable_fps
from trainer.predict.video.orientation import Orientation

FILES_ALONE = {"protocol_whitelist": "file"}  # a playlist that is named .mp4 fetches nothing from the network
UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED
MAX_UNIT = 10**6  # of a time base's denominator
TOLERATED_SECONDS = Fraction(1, 4)  # rounding in headers; a truncated file lacks more

logger = logging.getLogger(__name__)


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """Open a file with FFmpeg; UnusableFootage when it can't."""
    try:
        if not path.stat().st_size:
            raise UnusableFootage(f"expected a video, found 0 bytes in {path}")
        container = av.open(str(path.absolute()), options=FILES_ALONE)
    except (FFmpegError, OSError, UnicodeError) as error:
        raise UnusableFootage(
            f"expected a video that FFmpeg can open, found {path}: {getattr(error, 'strerror', None) or error}; "
            "check or convert the file"
        ) from error
    with container:
        yield container


@contextmanager
def open_file(path: Path) -> Iterator[Video]:
    """Open a video file; UnusableFootage when it is none, or no frame can be decoded."""
    with open_container(path) as container:
        stream = _video_stream(container, path)
        stream.thread_type = "AUTO"
        reader = _Reader(path, container, stream)
        frames = reader.frames()
        first = next(frames, None)
        if first is None:
            raise UnusableFootage(f"expected frames in {path}, found not one that can be decoded; check the file")
        yield Video(
            path,
            first.rgb.shape[1],
            first.rgb.shape[0],
            reader.fps,
            chain([first], frames),
            even_fps=usable_fps(stream.base_rate or reader.fps),
            tick_seconds=_tick(stream),
            pixel_aspect=reader.pixel_aspect,
            start_seconds=start_seconds(container),
            stated_frames=reader.stated_frames or reader.expected_frames,
        )


class _Reader:
    """The frames of one stream, once; damaged packets are counted and reported at the end."""

    def __init__(self, path: Path, container: InputContainer, stream: VideoStream) -> None:
        self._path, self._container, self._stream = path, container, stream
        self.fps = usable_fps(stream.average_rate or stream.guessed_rate)
        self._stated_seconds = _stated_seconds(container, stream)
        self.stated_frames = stream.frames or None
        self._times = FrameTimes(path, start_seconds(container), 1 / self.fps)
        self._size: tuple[int, int] | None = None  # width and height as stored, of the first frame
        self._orientation = Orientation()
        self._damaged_packets = 0

    @property
    def expected_frames(self) -> int | None:
        """The number of frames by the duration; None where the file states none."""
        return None if self._stated_seconds is None else round(self._stated_seconds * self.fps)

    @property
    def pixel_aspect(self) -> Fraction:
        """Width / height of a pixel, of upright frames; later frames count as the first one."""
        stored = self._stream.sample_aspect_ratio or SQUARE
        return 1 / stored if self._orientation.transposed else Fraction(stored)

    def frames(self) -> Iterator[Frame]:
        """Upright frames of the first one's size."""
        count, end = 0, Fraction(0)
        for decoded in self._decoded():
            placed = self._times.place(decoded)
            if placed is None:
                continue
            seconds, duration = placed
            count, end = count + 1, seconds + (duration or 1 / self.fps)
            yield Frame(self._pixels(decoded), seconds, duration)
        if count:
            self._report(count, end)

    def _pixels(self, frame: VideoFrame) -> Pixels:
        if self._size is None:
            self._size, self._orientation = (frame.width, frame.height), Orientation.of(frame)
        width, height = self._size
        unknown = frame.colorspace == UNSPECIFIED and not frame.format.is_rgb
        space = ("ITU709" if height >= HD_ROWS else "ITU601") if unknown else None
        rgb = frame.to_ndarray(format="rgb24", width=width, height=height, src_colorspace=space)
        return self._orientation.upright(cast(Pixels, rgb))

    def _decoded(self) -> Iterator[VideoFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except FFmpegError as error:
                logger.warning("reading %s ends early: %s", self._path, error.strerror)
                return
            try:
                yield from packet.decode()
            except FFmpegError:
                self._damaged_packets += 1

    def _report(self, count: int, end: Fraction) -> None:
        """Warn when the file is truncated or damaged."""
        stated, frames = self._stated_seconds, self.stated_frames
        short = stated is not None and end < stated - max(TOLERATED_SECONDS, 2 / self.fps)
        if short and frames is not None and count < frames:
            logger.warning("expected %d frames in %s, as stated, found %d", frames, self._path, count)
        elif short and frames is None:
            logger.warning("expected %.1f s of video in %s, as stated, found %.1f s", stated, self._path, end)
        elif self._damaged_packets:
            logger.warning("left out what can't be decoded in %s: %d packets", self._path, self._damaged_packets)


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first stream of moving images, not a music file's cover."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None:
                raise UnusableFootage(f"expected video of a codec that FFmpeg has, found another in {path}; convert it")
            return stream
    raise UnusableFootage(f"expected a video, found none in {path} but other streams; check the file")


def _tick(stream: VideoStream) -> Fraction:
    stated = stream.time_base
    return stated if stated is not None and 0 < stated <= 1 and stated.denominator <= MAX_UNIT else Fraction(1, 90_000)


def _stated_seconds(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """The header's duration; not FFmpeg's guess for raw streams by the bit rate."""
    if stream.frames and stream.time_base and container.format.name == "avi":
        return stream.frames * stream.time_base  # one unit per frame; the duration is the rest of a broken file
    if stream.frames and stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    if "matroska" not in container.format.name:
        return None
    tag = stream.metadata.get("DURATION")
    if tag:
        hours, minutes, seconds = tag.split(":")
        return Fraction(hours) * 3600 + Fraction(minutes) * 60 + Fraction(seconds)
    return Fraction(container.duration, av.time_base) if container.duration and len(container.streams) == 1 else None
