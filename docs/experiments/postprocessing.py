"""Effect and cost of each localizer and each refinement: the table that decides trainer.predict's defaults.

    python docs/experiments/postprocessing.py --checkpoint starter --manifest manifests/v1.parquet [--every 1]

Every variant differs from the plain network in one thing, but for the last two, the candidates for the defaults. All
get the same images and, for the whole image, the same probabilities.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from manifests.cli.arguments import run_command
from manifests.cli.converters import positive
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_LEVEL, PERSON_PROB
from manifests.pixels.metrics import MetricsAccumulator
from manifests.pixels.onnx_segmenter import Prob
from manifests.progress import progress
from manifests.samples.pair import read_pair
from manifests.store.manifest import Manifest
from manifests.store.training_rows import require_rows
from trainer.device import pick_device
from trainer.inference.predictors import Predictor, open_predictor
from trainer.predict.localize.localizers import LOCALIZERS
from trainer.predict.person_predictor import PersonPredictor
from trainer.predict.postprocess import Postprocess
from trainer.weights.checkpoint_files import checkpoint_path

PLAIN = "none"
POSTPROCESSED = {
    "open 5": Postprocess(open_px=5),
    "close 5": Postprocess(close_px=5),
    "largest": Postprocess(largest=True),
    "fill holes 0.02": Postprocess(max_hole_fraction=0.02),
    "refine guided": Postprocess(refine="guided"),
    "refine matting": Postprocess(refine="matting"),
}


class Remembering:
    """A predictor that keeps its probabilities of an image until `forget`."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._probs: dict[bytes, Prob] = {}

    @property
    def digest(self) -> str:
        return self._predictor.digest

    def forget(self) -> None:
        self._probs.clear()

    def person_prob(self, rgb: Pixels) -> Prob:
        key = repr(rgb.shape).encode() + rgb.tobytes()
        if key not in self._probs:
            self._probs[key] = self._predictor.person_prob(rgb)
        return self._probs[key].copy()


def variants(predictor: Predictor) -> Mapping[str, PersonPredictor]:
    """The variants by name: the plain network, and what each adds to it."""
    localizers = {name: start() for name, start in LOCALIZERS.items()}
    plain = {PLAIN: PersonPredictor(predictor)}
    localized = {
        f"localizer {name}": PersonPredictor(predictor, localizer)
        for name, localizer in localizers.items()
        if name != PLAIN
    }
    postprocessed = {
        name: PersonPredictor(predictor, postprocess=postprocess) for name, postprocess in POSTPROCESSED.items()
    }
    both = {
        "mask and guided": PersonPredictor(predictor, localizers["mask"], Postprocess(refine="guided")),
        "mask, largest, guided": PersonPredictor(
            predictor, localizers["mask"], Postprocess(largest=True, refine="guided")
        ),
    }
    return plain | localized | postprocessed | both


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    predictor = Remembering(open_predictor(options.checkpoint, pick_device(options.device)))
    manifest = Manifest.open(options.manifest, data_root=options.data)
    rows, blobs = require_rows(manifest, "all")[:: options.every], BlobStore(manifest.data_root)
    people = variants(predictor)
    found, seconds = {name: MetricsAccumulator() for name in people}, dict.fromkeys(people, 0.0)
    for row in progress(rows, "measuring", total=len(rows)):
        rgb, mask = read_pair(blobs, row)
        for name, person in people.items():
            started = time.process_time()
            found[name].add(person.person_prob(rgb) >= PERSON_PROB, mask >= PERSON_LEVEL)
            seconds[name] += time.process_time() - started
        predictor.forget()
    print(f"{options.checkpoint.name}, {len(rows)} images; in brackets the difference from none, in points")
    print(f"{'':<24}" + "".join(f"{name:>24}" for name in MetricsAccumulator.NAMES) + f"{'CPU ms':>9}")
    plain = found[PLAIN].result()
    for name, accumulator in found.items():
        metrics = accumulator.result()
        shown = (
            f"{getattr(metrics, m):.4f} ({100 * (getattr(metrics, m) - getattr(plain, m)):+.2f})"
            for m in MetricsAccumulator.NAMES
        )
        # The plain network runs first and is remembered: its time is part of each variant's.
        spent = seconds[name] + (0 if name == PLAIN else seconds[PLAIN])
        print(f"{name:<24}" + "".join(f"{text:>24}" for text in shown) + f"{1000 * spent / len(rows):>9.0f}")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python docs/experiments/postprocessing.py", description=__doc__)
    parser.add_argument("--checkpoint", type=checkpoint_path, required=True, metavar="PATH")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="data root (default: the one the manifest records)")
    parser.add_argument("--every", type=positive, default=1, help="every n-th image only (default: all)")
    parser.add_argument("--device", default="auto")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
