"""The sound of a video file, in its outputs: copied where the container takes it, else re-encoded.

Each sound has its own reader, so that frames and sound need not come in the file's order.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard

from trainer.predict.inputs import Camera
from trainer.predict.video.frames import Video
from trainer.predict.video.video_file import open_container

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """Sound that players support in a container: codecs to copy, and the codec for all others."""

    copied: frozenset[str]
    codec: str
    max_channels: int
    earliest_seconds: float = -0.001  # earlier sound is skipped; headers round to a thousandth
    late_start: bool = True  # False: sound begins with the first frame whatever its times


PLAIN = frozenset({"mp3", "mp2", "ac3", "pcm_s16le", "pcm_u8"})
COMMON = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"})
SOUND_FORMATS = {
    ".mp4": SoundFormat(COMMON, "aac", 8, earliest_seconds=-0.1),  # MP4 tells players to skip an encoder's lead-in
    ".avi": SoundFormat(PLAIN, "libmp3lame", 2, late_start=False),
    ".mkv": SoundFormat(COMMON | PLAIN | {"vorbis", "dts", "truehd", "pcm_s24le"}, "aac", 8),
}
LATE_SECONDS = 0.1  # noticeable
RATES = (48_000, 44_100, 32_000)  # Hz; every encoder here supports them


class Sound:
    """One stream of sound, written into a container; unusable packets are counted and reported."""

    def __init__(
        self, source: InputContainer, stream: AudioStream, into: OutputContainer, shape: SoundFormat, start: Fraction
    ) -> None:
        if stream.codec_context is None:
            raise ValueError("FFmpeg has no decoder for it")
        self._into, self._stream, self._start = into, stream, start
        self._earliest = shape.earliest_seconds
        self._copies = stream.codec_context.codec.canonical_name in shape.copied
        self._out = into.add_stream_from_template(stream) if self._copies else _encoder(into, stream, shape)
        self._packets = self._timed(source)
        self._upcoming = next(self._packets, None)
        self._last_dts: int | None = None
        self.unusable_packets = 0
        begins = self._upcoming[0] if self._upcoming else Fraction(0)
        self.early_seconds = 0.0 if shape.late_start else float(begins)

    def mux_until(self, seconds: Fraction | None) -> None:
        """Write the sound that begins before `seconds` from the start; None: all the rest."""
        while self._upcoming is not None and (seconds is None or self._upcoming[0] < seconds):
            self._put(self._upcoming[1])
            self._upcoming = next(self._packets, None)

    def finish(self) -> None:
        """Flush the encoder."""
        if not self._copies:
            self._mux_encoded(None)

    def _timed(self, source: InputContainer) -> Iterator["tuple[Fraction, Packet[AudioStream]]"]:
        """Packets with their times in seconds from the start, without those before it."""
        packets = source.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, FFmpegError):  # the frames' reader reports a truncated file
                return
            stated = packet.dts if packet.pts is None else packet.pts
            if stated is None or not packet.size:
                continue
            seconds = stated * packet.time_base - self._start
            if seconds >= self._earliest:
                yield seconds, packet

    def _put(self, packet: "Packet[AudioStream]") -> None:
        if self._copies:
            self._copy(packet)
            return
        try:
            frames = packet.decode()
        except FFmpegError:
            self.unusable_packets += 1
            return
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(self._start / frame.time_base)
            self._mux_encoded(frame)

    def _mux_encoded(self, frame: AudioFrame | None) -> None:
        for packet in self._out.encode(frame):
            if packet.pts is None or packet.pts * packet.time_base >= self._earliest:
                self._into.mux(packet)

    def _copy(self, packet: "Packet[AudioStream]") -> None:
        shift = round(self._start / packet.time_base)
        pts = packet.dts if packet.pts is None else packet.pts
        dts = packet.pts if packet.dts is None else packet.dts
        if pts is None or dts is None or (self._last_dts is not None and dts <= self._last_dts):
            self.unusable_packets += 1  # containers take only rising times
            return
        self._last_dts = dts
        packet.pts, packet.dts = pts - shift, dts - shift
        packet.stream = self._out
        self._into.mux(packet)


@contextmanager
def sounds_into(container: OutputContainer, path: Path, video: Video | None) -> Iterator[list[Sound]]:
    """Open the sounds of `video` for `container`, which becomes `path`; a camera has none."""
    if video is None or isinstance(video.source, Camera):
        yield []
        return
    with ExitStack() as stack:
        sounds = []
        for index in range(_count(video.source)):
            source = stack.enter_context(open_container(video.source))
            stream = source.streams.audio[index]
            for other in source.streams:
                other.discard = Discard.default if other is stream else Discard.all
            try:
                sound = Sound(source, stream, container, SOUND_FORMATS[path.suffix], video.start_seconds)
            except (FFmpegError, ValueError) as error:
                logger.warning("left the sound of %s out of %s: %s", video.source, path, error)
                continue
            if sound.early_seconds > LATE_SECONDS:
                logger.warning("sound is %.1f s early in %s: it holds no late start", sound.early_seconds, path)
            sounds.append(sound)
        yield sounds
        unusable = sum(sound.unusable_packets for sound in sounds)
        if unusable:
            logger.warning("left out sound of %s that can't be used: %d packets", video.source, unusable)


def _count(path: Path) -> int:
    with open_container(path) as source:
        return len(source.streams.audio)


def _encoder(into: OutputContainer, stream: AudioStream, shape: SoundFormat) -> AudioStream:
    codec = stream.codec_context
    rate = codec.sample_rate if codec.sample_rate in RATES else RATES[0]
    layout = codec.layout.name if codec.layout.nb_channels <= shape.max_channels else "stereo"
    return cast(AudioStream, into.add_stream(shape.codec, rate, layout=layout))
