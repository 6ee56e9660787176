"""RGB pixels -> a network's input. Stored with every checkpoint.

An image is resized to a square of `size_px` (its aspect is not kept), put in the network's colour order and scaled:
 `((x - mean) / std) / divisor` on the 0..255 scale.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import cv2
import numpy as np
import torch
from torch import Tensor

from manifests.pixels.geometry import Pixels

Triple = tuple[float, float, float]
ColourOrder = Literal["rgb", "bgr"]

MAX_SIZE_PX = 1 << 14  # of a header that may be anything; no network here is fitted on larger images


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """`mean` and `std` are on the 0..255 scale and in `colour_order`."""

    size_px: int
    mean: Triple
    std: Triple
    divisor: float = 1.0
    colour_order: ColourOrder = "rgb"

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Preprocessing":
        """The inverse of `dataclasses.asdict` after JSON, which has no tuples.

        KeyError, TypeError or ValueError for other JSON.
        """
        made = cls(**{**fields, "mean": tuple(fields["mean"]), "std": tuple(fields["std"])})
        numbers = [*made.mean, *made.std, made.divisor]
        if type(made.size_px) is not int or not 0 < made.size_px <= MAX_SIZE_PX:
            raise ValueError(f"expected a size_px up to {MAX_SIZE_PX}, found {made.size_px!r}")
        if (len(made.mean), len(made.std)) != (3, 3) or not all(map(_finite, numbers)):
            raise ValueError("expected mean and std of three numbers each, and a divisor, found others")
        if 0 in (*made.std, made.divisor) or made.colour_order not in get_args(ColourOrder):
            raise ValueError("expected a std and divisor other than 0, and a colour_order of rgb or bgr, found others")
        return made

    def resize(self, pixels: Pixels) -> Pixels:
        """uint8 (H, W) or (H, W, 3) -> uint8 (size, size) or (size, size, 3)."""
        shrinks = min(pixels.shape[:2]) >= self.size_px
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR  # area averages: no aliasing
        return cv2.resize(pixels, (self.size_px, self.size_px), interpolation=interpolation).astype(np.uint8)

    def normalise(self, images: Tensor) -> Tensor:
        """RGB 0..255 (N, 3, H, W), any dtype -> float (N, 3, H, W) as the network expects it."""
        ordered = images.flip(1) if self.colour_order == "bgr" else images
        mean, scale = self._mean_and_scale(images)
        return (ordered.float() - mean) / scale

    def colours(self, inputs: Tensor) -> Tensor:
        """Float (N, 3, H, W) as the network expects it -> RGB in [0, 1], the inverse of `normalise`."""
        mean, scale = self._mean_and_scale(inputs)
        ordered = (inputs * scale + mean) / 255
        return ordered.flip(1) if self.colour_order == "bgr" else ordered

    def _mean_and_scale(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Each (3, 1, 1), on the device of `like`."""
        mean = torch.tensor(self.mean, device=like.device).view(3, 1, 1)
        std = torch.tensor(self.std, device=like.device).view(3, 1, 1)
        return mean, std * self.divisor


def _finite(number: float) -> bool:
    return abs(number) <= sys.float_info.max  # also False for NaN, and for an int that no float holds


def imagenet(size_px: int) -> Preprocessing:
    """RGB with ImageNet's constants: what is fitted here, and what pretrained encoders expect.

    They don't depend on the dataset, so models fitted on different manifests are interchangeable.
    """
    return Preprocessing(size_px, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))


def sinet_authors(size_px: int = 224) -> Preprocessing:
    """BGR for the authors' SINet.pth, from their demo, with its further division by 255."""
    return Preprocessing(
        size_px,
        mean=(107.304565, 115.69884, 132.35703),
        std=(63.97182, 65.1337, 68.29726),
        divisor=255.0,
        colour_order="bgr",
    )
