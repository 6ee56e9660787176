"""Videos as cameras and other programs write them: uneven times, sound, turned frames, cuts at the start."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from manifests.pixels.geometry import Pixels

RATE = 48_000
SOUND_FRAME = 1024  # samples


@dataclass(frozen=True)
class Clip:
    """What is written: frames at `times` (in ms), a tone of `sound_seconds`, and how players show the frames."""

    times: Sequence[int]
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] = (96, 64)
    pixel_aspect: Fraction = Fraction(1)
    sound_codec: str | None = None
    sound_seconds: float = 1.0
    sound_starts: float = 0.0
    display: tuple[float, bool] | None = None  # degrees, mirrored
    tick: Fraction = Fraction(1, 1000)
    colour: tuple[int, int, int] = (255, 0, 0)


@contextmanager
def _ordinary_priority() -> Iterator[None]:
    """Keep this thread's scheduling: SVT-AV1 makes it real-time for root, which processes started later inherit."""
    if not hasattr(os, "sched_setscheduler"):  # only Linux has it, and only there it is changed
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def write_clip(path: Path, clip: Clip) -> Path:
    """A red square that goes from left to right over blue."""
    with _ordinary_priority(), av.open(str(path), "w") as container:
        stream = container.add_stream(clip.codec, 25, clip.options)
        stream.width, stream.height = clip.size
        stream.pix_fmt = clip.pixel_format
        stream.codec_context.time_base = clip.tick
        stream.codec_context.sample_aspect_ratio = clip.pixel_aspect
        if clip.display is not None:
            stream.set_display_rotation(clip.display[0], hflip=clip.display[1])
        sound = None if clip.sound_codec is None else container.add_stream(clip.sound_codec, RATE, layout="mono")
        for number, milliseconds in enumerate(clip.times):
            frame = VideoFrame.from_ndarray(square(number, len(clip.times), clip.size, clip.colour), format="rgb24")
            frame.pts, frame.time_base = round(Fraction(milliseconds, 1000) / clip.tick), clip.tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            for frame in _tone(clip):
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    return path


def square(number: int, count: int, size: tuple[int, int], colour: tuple[int, int, int] = (255, 0, 0)) -> Pixels:
    """RGB (H, W, 3) of frame `number`."""
    width, height = size
    rgb = np.full((height, width, 3), (20, 20, 180), np.uint8)
    left = number * (width - 32) // max(1, count - 1)
    rgb[height // 4 : 3 * height // 4, left : left + 32] = colour
    return rgb


def cut_at_the_start(source: Path, target: Path, seconds: float) -> Path:
    """Copied without decoding from a key frame on: an edit list tells players to begin later."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        streams = {
            stream.index: new.add_stream_from_template(stream) for stream in (*old.streams.video, *old.streams.audio)
        }
        for packet in old.demux():
            if packet.dts is None or packet.pts is None:
                continue
            shift = round(Fraction(seconds).limit_denominator(1000) / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = streams[packet.stream.index]
            new.mux(packet)
    return target


def frame_seconds(path: Path) -> list[float]:
    """When the video's frames are shown, as FFmpeg reads them."""
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


def heard(path: Path) -> tuple[list[str], float]:
    """The sounds' codecs, and for how many seconds the first is louder than silence."""
    with av.open(str(path)) as container:
        names = [stream.codec_context.codec.canonical_name for stream in container.streams.audio]
        if not names:
            return [], 0.0
        loud = samples = rate = 0
        for frame in container.decode(audio=0):
            values = np.abs(frame.to_ndarray().astype(np.float64))
            loud += int((values > 0.02 * max(1e-9, values.max())).sum()) if values.max() > 1e-3 else 0
            samples, rate = samples + values.size, frame.sample_rate
        return names, loud / rate if samples else 0.0


def _tone(clip: Clip) -> list[AudioFrame]:
    frames = []
    for number in range(round(clip.sound_seconds * RATE / SOUND_FRAME)):
        at = np.arange(number * SOUND_FRAME, (number + 1) * SOUND_FRAME) / RATE
        samples = (np.sin(2 * np.pi * 440 * at) * 0.5).astype(np.float32)[None, :]
        frame = AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, number * SOUND_FRAME + round(clip.sound_starts * RATE)
        frame.time_base = Fraction(1, RATE)
        frames.append(frame)
    return frames
