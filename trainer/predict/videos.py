"""Videos -> files: read, predict, smooth and write a frame before the next one is read."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from manifests.files.atomic import filling, write_replace
from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import Prob
from manifests.progress import progress
from trainer.inference.predictors import Predictor
from trainer.predict.images import encoded
from trainer.predict.inputs import Camera, Footage
from trainer.predict.matting.background import WHITE, Background
from trainer.predict.output_kinds import VIEWS, Cutout
from trainer.predict.outputs import FRAMES, Outputs
from trainer.predict.video.footage import open_video
from trainer.predict.video.frames import SQUARE, Video
from trainer.predict.video.smoothing import Smoother
from trainer.predict.video.writing import Layout, writing_video

logger = logging.getLogger(__name__)


class Sink(Protocol):
    def write(self, pixels: Pixels, seconds: Fraction, duration: Fraction | None) -> None: ...


class FrameFiles:
    """RGBA frames as 000001.png, 000002.png, ... in a directory; their times are the video's."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._written = 0

    def write(self, pixels: Pixels, seconds: Fraction, duration: Fraction | None) -> None:
        self._written += 1
        write_replace(self._directory / f"{self._written:06d}.png", encoded(pixels, ".png"))


def cut_footage(
    predictor: Predictor,
    smoother: Smoother,
    source: Footage,
    outputs: Outputs,
    *,
    background: Background = WHITE,
    max_frames: int | None = None,
) -> list[Path]:
    """Write the `outputs` of a video, with its sound, or of a camera; return their paths.

    A camera runs until `max_frames` or Ctrl-C, which completes its files. UnusableFootage as of `open_video`.
    """
    with open_video(source) as video, ExitStack() as stack:
        whole_sound = max_frames is None
        sinks = {view: stack.enter_context(_sink(view, path, video, whole_sound)) for view, path in outputs.items()}
        total = min(video.stated_frames or max_frames or 0, max_frames or video.stated_frames or 0) or None
        frames = with_person = 0
        try:
            for frame in progress(islice(video.frames(), max_frames), str(source), total=total):
                prob = person_prob_of_frame(predictor, frame.rgb, video.pixel_aspect)
                cutout = Cutout(frame.rgb, smoother(frame.rgb, prob), background)
                frames, with_person = frames + 1, with_person + cutout.shows_person
                for view, sink in sinks.items():
                    sink.write(VIEWS[view](cutout), frame.seconds, frame.duration_seconds)
        except KeyboardInterrupt:
            if not isinstance(source, Camera):
                raise
        if not with_person:
            logger.warning("found no person in any of %d frames of %s", frames, source)
    return list(outputs.values())


def person_prob_of_frame(predictor: Predictor, rgb: Pixels, pixel_aspect: Fraction) -> Prob:
    """RGB (H, W, 3) of pixels of that width / height -> (H, W), predicted at the width that players show."""
    if pixel_aspect == SQUARE:
        return predictor.person_prob(rgb)
    height, width = rgb.shape[:2]
    shown = np.asarray(cv2.resize(rgb, (max(1, round(width * pixel_aspect)), height)), np.uint8)
    return np.asarray(cv2.resize(predictor.person_prob(shown), (width, height)), np.float32)


def _sink(view: str, path: Path, video: Video, whole_sound: bool) -> AbstractContextManager[Sink]:
    if view == FRAMES:
        return _frame_files(path)
    width = 2 * video.width if view == "side-by-side" else video.width
    return writing_video(path, Layout.of(video, width=width), sound_of=video, whole_sound=whole_sound)


@contextmanager
def _frame_files(path: Path) -> Iterator[Sink]:
    with filling(path) as directory:
        yield FrameFiles(directory)
