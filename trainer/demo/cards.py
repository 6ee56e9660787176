"""One image, several networks: overlay, cut-out, person share and milliseconds of each, as HTML without any file."""

import base64
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_PROB, mask_from_prob
from trainer.inference.predictors import Predictor, open_predictor
from trainer.predict.strips import shrunk
from trainer.weights.checkpoint_files import STARTER_PATH, name_of
from trainer.weights.starting_weights import checkpoint_file

SHOWN_SIDE_PX = 1024  # of the images on the page; the networks get the full size
UNSURE_PROBS = (0.2, 0.8)  # a network that knows portraits puts few pixels between these
TINT = (224, 33, 138)  # rare in photographs, and distinct from skin for the colour-blind
JPEG_QUALITY = 88
WEBP_QUALITY = 88

_TEMPLATES = Environment(loader=PackageLoader("trainer.demo"), autoescape=True, undefined=StrictUndefined)


@dataclass(frozen=True, slots=True)
class Contestant:
    """A network, its name on the page, and the size of its file."""

    name: str
    size_bytes: int
    predictor: Predictor


@dataclass(frozen=True, slots=True)
class DemoCard:
    """`mask` is uint8 of the displayed size, the fractions are of the whole image; `milliseconds` are from pixels to
    probabilities at the image's own size."""

    mask: Pixels
    person_fraction: float
    unsure_fraction: float  # pixels with a probability between UNSURE_PROBS
    milliseconds: float


def open_contestants(paths: Sequence[Path], device: torch.device) -> list[Contestant]:
    """Open each network and run it once, since the first run is the slowest; UserError when one can't be opened."""
    names = [name_of(path) for path in paths]
    shared = {name for name in names if names.count(name) > 1}
    contestants = []
    for path, name in zip(paths, names, strict=True):
        predictor = open_predictor(path, device)
        predictor.person_prob(np.zeros((64, 64, 3), np.uint8))
        size_bytes = checkpoint_file(path).stat().st_size
        is_path = name in shared and path != STARTER_PATH
        contestants.append(Contestant(str(path) if is_path else name, size_bytes, predictor))
    return contestants


def judge(predictor: Predictor, rgb: Pixels, clock: Callable[[], float] = time.perf_counter) -> DemoCard:
    """RGB uint8 (H, W, 3) -> the network's card."""
    start = clock()
    prob = predictor.person_prob(rgb)
    seconds = clock() - start
    mask = shrunk(mask_from_prob(prob.clip(0, 1)), SHOWN_SIDE_PX)
    unsure = (prob > UNSURE_PROBS[0]) & (prob < UNSURE_PROBS[1])
    return DemoCard(mask, float(np.mean(prob >= PERSON_PROB)), float(np.mean(unsure)), 1000 * seconds)


def results_html(rgb: Pixels, contestants: Sequence[Contestant]) -> str:
    """One card per network. Images are data: URLs, so they are never written to disk or kept."""
    photo = shrunk(rgb, SHOWN_SIDE_PX)
    return _TEMPLATES.get_template("cards.html").render(
        height=rgb.shape[0],
        width=rgb.shape[1],
        photo=_url("jpeg", Image.fromarray(photo), quality=JPEG_QUALITY),
        cards=[_values(photo, one, judge(one.predictor, rgb)) for one in contestants],
    )


def error_html(error: UserError) -> str:
    return Markup('<p class="problem" role="alert">{}</p>').format(error)


def _values(photo: Pixels, one: Contestant, card: DemoCard) -> dict[str, object]:
    """Template values of one network."""
    return {
        "name": one.name,
        "size_bytes": one.size_bytes,
        "person_fraction": card.person_fraction,
        "unsure_fraction": card.unsure_fraction,
        "milliseconds": card.milliseconds,
        "tint": _url("png", _with_alpha(np.full_like(photo, TINT), card.mask), compress_level=1),
        "cutout": _url("webp", _with_alpha(photo, card.mask), quality=WEBP_QUALITY, method=2),
    }


def _with_alpha(rgb: Pixels, alpha: Pixels) -> Image.Image:
    return Image.fromarray(np.dstack([rgb, alpha]), "RGBA")


def _url(kind: str, image: Image.Image, **options: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
