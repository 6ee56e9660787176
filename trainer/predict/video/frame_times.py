"""Presentation times of a file's frames, in seconds from its start."""

import logging
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame

CLOCK_RUNS_ON = 0x0200  # AVFMT_TS_DISCONT
JUMP_SECONDS = Fraction(1, 5)  # backwards: a clock that restarts; less is jitter

logger = logging.getLogger(__name__)


def start_seconds(container: InputContainer) -> Fraction:
    """Offset of all times of a file: a broadcast's clock runs on, all others begin near 0."""
    runs_on = container.format.flags & CLOCK_RUNS_ON
    return Fraction(container.start_time or 0, av.time_base) if runs_on else Fraction(0)


class FrameTimes:
    """Times that always rise; where a frame states none, or time runs back, frames follow evenly."""

    def __init__(self, path: Path, start: Fraction, interval: Fraction) -> None:
        self._path, self._interval = path, interval
        self._start = start
        self._last: Fraction | None = None

    def place(self, frame: VideoFrame) -> tuple[Fraction, Fraction | None] | None:
        """The frame's time and its duration, None where it states none; None for a frame before the start."""
        unit = frame.time_base or self._interval
        stated = None if frame.pts is None else frame.pts * unit - self._start
        if self._last is None and stated is not None and stated < 0:
            return None
        self._last = self._rising(stated, unit)
        return self._last, frame.duration * unit if frame.duration else None

    def _rising(self, stated: Fraction | None, unit: Fraction) -> Fraction:
        if self._last is None:
            return stated or Fraction(0)
        if stated is None:
            return self._last + self._interval
        if stated > self._last:
            return stated
        if self._last - stated < JUMP_SECONDS:
            return self._last + unit
        logger.warning("time runs back in %s, %.1f s from its start: sound may not fit there", self._path, self._last)
        self._start += stated - (self._last + self._interval)
        return self._last + self._interval
