"""Letterboxing: an image shrunk or enlarged with its aspect kept, centred on a canvas of one value."""

import cv2
import numpy as np
import numpy.typing as npt

from manifests.pixels.geometry import Box, Pixels


def content_box(image_height: int, image_width: int, height: int, width: int) -> Box:
    """The part of a (height, width) canvas that an image of that size covers; at least one pixel a side."""
    scale = min(height / image_height, width / image_width)
    h, w = (max(1, round(side * scale)) for side in (image_height, image_width))
    return Box((width - w) // 2, (height - h) // 2, w, h)


def letterbox(rgb: Pixels, height: int, width: int, *, padding_value: int) -> Pixels:
    """RGB uint8 (H, W, 3) -> (height, width, 3), `padding_value` around the image; area averages when it shrinks."""
    image_height, image_width = rgb.shape[:2]
    box = content_box(image_height, image_width, height, width)
    shrinks = image_height >= box.h and image_width >= box.w
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    canvas = np.full((height, width, 3), padding_value, np.uint8)
    canvas[box.y : box.bottom, box.x : box.right] = cv2.resize(rgb, (box.w, box.h), interpolation=interpolation)
    return canvas


def without_padding(
    prob: npt.NDArray[np.float32], image_height: int, image_width: int, *, height: int, width: int
) -> npt.NDArray[np.float32]:
    """Float (h, w), a prediction of any size for a (height, width) canvas -> the part that the image covers."""
    box = content_box(image_height, image_width, height, width)
    canvas = np.asarray(cv2.resize(prob, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return canvas[box.y : box.bottom, box.x : box.right]
