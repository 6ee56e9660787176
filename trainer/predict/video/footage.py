"""Opening footage: a video file or a camera."""

from contextlib import AbstractContextManager

from trainer.predict.inputs import Camera, Footage
from trainer.predict.video.camera import open_camera
from trainer.predict.video.frames import Video
from trainer.predict.video.video_file import open_file


def open_video(source: Footage) -> AbstractContextManager[Video]:
    """Open a video file or a camera; UnusableFootage when there is none, or no frame can be read."""
    return open_camera(source) if isinstance(source, Camera) else open_file(source)
