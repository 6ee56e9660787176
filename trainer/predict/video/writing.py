"""Frames into a video file, each at its time, with the sound of the footage: written by PyAV, whole or not at all."""

import errno
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from manifests.errors import UserError
from manifests.files.atomic import replacing
from manifests.pixels.geometry import Pixels
from trainer.predict.video.frames import HD_ROWS, SQUARE, TICK_SECONDS, Video
from trainer.predict.video.sound import Sound, sounds_into

logger = logging.getLogger(__name__)

BT709, BT601 = 1, 6  # AVCOL_SPC_BT709, AVCOL_SPC_SMPTE170M
MAX_EVEN_FPS = 240
NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoding of a container: the codec, its pixel format and options, and the frames' properties in the file."""

    codec: str
    pixel_format: str
    codec_options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)
    own_times: bool = True
    states_pixel_aspect: bool = True
    max_unit: int = 10**6  # the smallest unit of time is 1 / max_unit seconds


FASTSTART = {"movflags": "+faststart"}  # browsers start before the file is complete
H264 = Encoding("libx264", "yuv420p", {"crf": "18", "preset": "veryfast"}, FASTSTART)
MPEG4 = Encoding("mpeg4", "yuv420p", {"qmin": "2", "qmax": "4"}, FASTSTART, max_unit=60_000)  # of 16 bits
ENCODINGS = {
    ".mp4": H264 if "libx264" in av.codecs_available else MPEG4,  # browsers play H.264; not every FFmpeg writes it
    ".avi": Encoding("mjpeg", "yuvj420p", {"qmin": "2", "qmax": "2"}, own_times=False),  # every frame a JPEG
    ".mkv": Encoding("ffv1", "bgr0", states_pixel_aspect=False),  # without loss: masks come back as they were
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Size in pixels and timing of the written video."""

    width: int
    height: int
    fps: Fraction
    even_fps: Fraction
    tick_seconds: Fraction = TICK_SECONDS
    pixel_aspect: Fraction = SQUARE

    @classmethod
    def of(cls, video: Video, *, width: int) -> "Layout":
        """The layout of `video` with another width."""
        return cls(width, video.height, video.fps, video.even_fps, video.tick_seconds, video.pixel_aspect)


class VideoWriter:
    """Writes RGB or grey frames of one size at rising times, and the sound up to them."""

    def __init__(self, container: OutputContainer, encoding: Encoding, layout: Layout) -> None:
        self._container, self._encoding = container, encoding
        self._even_size = _even(layout.width, layout.height)
        self._tick = _tick(encoding, layout)
        self._interval = 1 / layout.fps
        self._stream = self._added(layout)
        self._sounds: list[Sound] = []
        self._durations: dict[int, int] = {}  # ticks: of frames that the encoder still holds
        self._last = -1
        self._end = self._phase = Fraction(0)

    def start(self, sounds: list[Sound]) -> None:
        """Write the header, when all streams are added."""
        self._sounds = sounds
        self._container.start_encoding()

    def write(self, pixels: Pixels, seconds: Fraction | None = None, duration: Fraction | None = None) -> None:
        """RGB (height, width, 3) or grey (height, width), `seconds` from the start; without a time, after the last."""
        at = self._end if seconds is None else seconds
        self._end = at + (duration or self._interval)
        frame = self._converted(pixels)
        frame.time_base = self._tick
        frame.pts = self._place(at)
        if frame.pts and not self._encoding.own_times and self._last < 0:
            self._mux(_shown_at(0, frame))  # AVI begins with its first frame
        self._last = frame.pts
        self._durations[frame.pts] = max(1, round((self._end - at) / self._tick))
        self._mux(frame)
        for sound in self._sounds:
            sound.mux_until(at)

    def finish(self, *, whole_sound: bool) -> None:
        """Flush the encoders and write the rest of the sound, all of it or up to the last frame's end."""
        self._mux(None)
        for sound in self._sounds:
            sound.mux_until(None if whole_sound else self._end)
            sound.finish()

    def _place(self, seconds: Fraction) -> int:
        """Ticks from the start; even rates begin with the first frame if it comes within the first tick."""
        if self._last < 0 and not self._encoding.own_times and seconds < self._tick:
            self._phase = seconds
        return max(self._last + 1, round((seconds - self._phase) / self._tick))

    def _added(self, layout: Layout) -> VideoStream:
        rate = layout.fps if self._encoding.own_times else 1 / self._tick
        stream = self._container.add_stream(self._encoding.codec, rate, dict(self._encoding.codec_options))
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height = self._even_size
        context.pix_fmt = self._encoding.pixel_format
        context.sample_aspect_ratio = layout.pixel_aspect
        context.time_base = self._tick
        if self._encoding.pixel_format.startswith("yuv"):
            context.colorspace = BT709 if layout.height >= HD_ROWS else BT601
        return stream

    def _converted(self, pixels: Pixels) -> VideoFrame:
        """Convert to the encoder's pixel format; it takes no odd sides, so the last row or column is repeated."""
        width, height = self._even_size
        extra = ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0))[: pixels.ndim]
        padded = np.pad(pixels, extra, mode="edge") if (height, width) != pixels.shape[:2] else pixels
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="gray" if pixels.ndim == 2 else "rgb24")
        space = "ITU709" if self._stream.codec_context.colorspace == BT709 else "ITU601"
        return frame.reformat(format=self._encoding.pixel_format, dst_colorspace=space)

    def _mux(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._container.mux(packet)


@contextmanager
def writing_video(
    path: Path, layout: Layout, *, sound_of: Video | None = None, whole_sound: bool = True
) -> Iterator[VideoWriter]:
    """Write `path`, whole, when the block succeeds; OSError names `path` when the disk is full.

    Without `whole_sound` the sound of `sound_of` ends with the last frame.
    """
    encoding = ENCODINGS[path.suffix]
    try:
        with (
            replacing(path) as temporary,
            av.open(str(temporary), "w", container_options=dict(encoding.container_options)) as container,
        ):
            writer = VideoWriter(container, encoding, layout)
            with sounds_into(container, path, sound_of) as sounds:
                writer.start(sounds)
                _report_lost(encoding, layout, path)
                yield writer
                writer.finish(whole_sound=whole_sound)
    except FFmpegError as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise UserError(
            f"expected to write {layout.width}x{layout.height} video at {float(layout.fps):g} fps to {path}, "
            f"found no way to: {error.strerror}; give another --video"
        ) from error


def _report_lost(encoding: Encoding, layout: Layout, path: Path) -> None:
    if layout.pixel_aspect != SQUARE and not encoding.states_pixel_aspect:
        aspect = f"{layout.pixel_aspect.numerator}:{layout.pixel_aspect.denominator}"
        logger.warning("players show %s too narrow or too wide: its pixels are %s, which .mp4 states", path, aspect)


def _shown_at(ticks: int, frame: VideoFrame) -> VideoFrame:
    """The same pixels at another time."""
    copied = VideoFrame.from_ndarray(frame.to_ndarray(), format=frame.format.name)
    copied.time_base, copied.pts = frame.time_base, ticks
    return copied


def _tick(encoding: Encoding, layout: Layout) -> Fraction:
    """The unit of times in the file; of AVI, which has only even rates, the time of one frame."""
    if not encoding.own_times:
        return 1 / (layout.even_fps if layout.even_fps <= MAX_EVEN_FPS else layout.fps)
    unit = layout.tick_seconds
    return unit if unit.denominator <= encoding.max_unit else Fraction(1, encoding.max_unit)


def _even(width: int, height: int) -> tuple[int, int]:
    return width + width % 2, height + height % 2
