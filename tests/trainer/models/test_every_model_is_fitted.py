"""Every network of MODELS through the commands: one step of `trainer.fit`, then `trainer.predict`."""

from pathlib import Path

import pytest
from PIL import Image
from portrait_datasets import import_portraits

from manifests.store.manifest import Manifest
from trainer.fit import __main__ as fit
from trainer.models import MODELS
from trainer.predict import __main__ as predict

SIDE_PX = 64


@pytest.fixture(scope="module")
def manifest(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return import_portraits(tmp_path_factory.mktemp("dataset"), portraits, 6)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_one_step_of_fit_leaves_a_network_that_predicts(name: str, manifest: Manifest, portraits: Path, tmp_path: Path):
    run = tmp_path / "run"
    fit.main([
        *("--manifest", str(manifest.path), "--model", name, "--size", str(SIDE_PX), "--output", str(run)),
        *("--epochs", "1", "--device", "cpu", "--no-compile"),
    ])  # fmt: skip
    image = next(iter(sorted(portraits.rglob("*.jpg"))))
    predict.main(["--checkpoint", str(run), "--input", str(image), "--output", str(tmp_path / "masks")])
    masks = list((tmp_path / "masks").rglob("*.png"))
    with Image.open(image) as source, Image.open(masks[0]) as mask:
        assert (len(masks), mask.size) == (1, source.size)
