"""Augmentation presets: named numbers. Loads no torch."""

from collections.abc import Callable
from dataclasses import dataclass, replace

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Strengths of an augmentation. A `_prob` is the share of images that get the change."""

    rotation_degrees: float = 0.0  # U(-r, r)
    scale: Range = (1.0, 1.0)
    pivot_fraction: float = 0.0  # of the side: how far the fixed point of rotation and scale lies off the centre
    flip_prob: float = 0.0
    colour_prob: float = 0.0
    colour: Range = (1.0, 1.0)
    brightness: Range = (1.0, 1.0)
    contrast: Range = (1.0, 1.0)
    sharpness: Range = (1.0, 1.0)
    grey_prob: float = 0.0  # turned black and white
    blur_prob: float = 0.0  # of those 30 % Gaussian, 30 % median, 40 % box; 3 or 5 px
    noise_prob: float = 0.0
    noise_sigma: float = 0.0  # of U(0, sigma), on the 0..255 scale


def portraitnet() -> Augmentation:
    """PortraitNet's numbers, which are SINet's (its authors' CVTransforms)."""
    return Augmentation(
        rotation_degrees=45.0,
        scale=(0.5, 1.5),
        pivot_fraction=0.25,
        flip_prob=0.5,
        colour_prob=0.5,
        colour=(0.4, 1.6),
        brightness=(0.4, 1.6),
        contrast=(0.6, 1.4),
        sharpness=(0.8, 1.2),
        blur_prob=0.5,
        noise_prob=0.5,
        noise_sigma=10.0,
    )


def mild() -> Augmentation:
    """Narrower warps, for budgets far below the paper's 600 epochs, and black-and-white photographs."""
    return replace(
        portraitnet(),
        rotation_degrees=20.0,
        scale=(0.75, 1.35),
        brightness=(0.6, 1.4),
        grey_prob=0.25,
        blur_prob=0.25,
        noise_prob=0.25,
    )


def unchanged() -> Augmentation:
    return Augmentation()


AUGMENTATIONS: dict[str, Callable[[], Augmentation]] = {"portraitnet": portraitnet, "mild": mild, "none": unchanged}
