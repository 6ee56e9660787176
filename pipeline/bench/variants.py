"""One portrait at many sizes: Eileen Collins, NASA, shipped with scikit-image."""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from pipeline.sources import Picture


def make_variants(directory: Path, count: int) -> list[Picture]:
    """Write `count` files into `directory`, every second one mirrored."""
    return [Picture(_variant(directory, number)) for number in range(count)]


def _variant(directory: Path, number: int) -> Path:
    rng = np.random.default_rng(number)
    portrait = data.astronaut()
    image = Image.fromarray(np.ascontiguousarray(portrait[:, ::-1]) if number % 2 == 1 else portrait)
    width = int(rng.integers(480, 960))
    path = directory / f"{number:04}.jpg"
    image.resize((width, int(width * rng.uniform(1.0, 1.4)))).save(path, quality=90)
    return path
