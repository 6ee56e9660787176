"""Frames of the machine's camera, read by OpenCV."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import cv2
import numpy as np

from manifests.pixels.geometry import Pixels
from trainer.predict.inputs import Camera
from trainer.predict.video.frames import Frame, UnusableFootage, Video, usable_fps


@contextmanager
def open_camera(camera: Camera) -> Iterator[Video]:
    """Open a camera, with even times at its stated rate; UnusableFootage when it doesn't open or gives no frame."""
    with _quiet():
        capture = cv2.VideoCapture(camera.number)
    try:
        if not capture.isOpened():
            raise UnusableFootage(
                f"expected a camera number {camera.number}, found none that opens; connect one or give a video file"
            )
        images = _images(capture)
        first = next(images, None)
        if first is None:
            raise UnusableFootage(f"expected frames from {camera}, found none; check that no other program uses it")
        fps = usable_fps(capture.get(cv2.CAP_PROP_FPS))
        frames = (Frame(rgb, number / fps, 1 / fps) for number, rgb in enumerate(chain([first], images)))
        yield Video(camera, first.shape[1], first.shape[0], fps, frames, even_fps=fps)
    finally:
        capture.release()


def _images(capture: cv2.VideoCapture) -> Iterator[Pixels]:
    """RGB (H, W, 3), one after another."""
    while True:
        with _quiet():
            is_read, bgr = capture.read()
        if not is_read:
            return
        yield np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence OpenCV's own lines on stderr."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
