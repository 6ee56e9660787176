"""Videos -> files: read, predict, smooth and write a frame before the next one is read."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Protocol

from manifests.files.atomic import write_replace
from manifests.pixels.geometry import Pixels
from manifests.progress import progress
from trainer.inference.predictors import Predictor
from trainer.predict.images import encoded
from trainer.predict.inputs import Camera, Footage
from trainer.predict.matting.background import WHITE, Background
from trainer.predict.output_kinds import VIEWS, Cutout
from trainer.predict.outputs import FRAMES, Outputs
from trainer.predict.video.frames import Video, open_video, writing_video
from trainer.predict.video.smoothing import Smoother

logger = logging.getLogger(__name__)


class Sink(Protocol):
    def write(self, frame: Pixels) -> None: ...


class FrameFiles:
    """RGBA frames as 000001.png, 000002.png, ... in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._written = 0

    def write(self, frame: Pixels) -> None:
        self._written += 1
        write_replace(self._directory / f"{self._written:06d}.png", encoded(frame, ".png"))


def cut_footage(
    predictor: Predictor,
    smoother: Smoother,
    source: Footage,
    outputs: Outputs,
    *,
    background: Background = WHITE,
    max_frames: int | None = None,
) -> list[Path]:
    """Write the `outputs` of a video or of what a camera sees, and give what was written; sound is not kept.

    A camera runs until `max_frames` or Ctrl-C, which ends its files properly. UserError as of `open_video`.
    """
    with open_video(source) as video, ExitStack() as stack:
        sinks = {view: stack.enter_context(_sink(view, path, video)) for view, path in outputs.items()}
        done = 0
        try:
            total = min(video.stated_frames or max_frames or 0, max_frames or video.stated_frames or 0) or None
            for rgb in progress(islice(video.frames(), max_frames), str(source), total=total):
                cutout = Cutout(rgb, smoother(rgb, predictor.person_prob(rgb)), background)
                for view, sink in sinks.items():
                    sink.write(VIEWS[view](cutout))
                done += 1
        except KeyboardInterrupt:
            if not isinstance(source, Camera):
                raise
        if max_frames is None and video.stated_frames is not None and done < video.stated_frames:
            logger.warning("expected %d frames in %s, as stated, found %d", video.stated_frames, source, done)
    return list(outputs.values())


def _sink(view: str, path: Path, video: Video) -> AbstractContextManager[Sink]:
    if view == FRAMES:
        return _frame_files(path)
    width = 2 * video.width if view == "side-by-side" else video.width
    return writing_video(path, fps=video.fps, width=width, height=video.height)


@contextmanager
def _frame_files(path: Path) -> Iterator[Sink]:
    yield FrameFiles(path)
