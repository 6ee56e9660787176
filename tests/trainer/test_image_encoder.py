"""The image encoder that review_ui ships: it computes what the network of the starter computes."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from manifests.errors import UserError
from manifests.pixels.images import decode_image
from review_ui.queue.embedding.encoder import ENCODER_PATH, ImageEncoder
from trainer.image_encoder.__main__ import main
from trainer.image_encoder.encoder import LEAST_STD, image_encoder
from trainer.models.sinet import SINet
from trainer.weights.checkpoint import load_checkpoint
from trainer.weights.checkpoint_files import STARTER_PATH

MOST_KB = 500
PHOTOGRAPHS = 150


@pytest.fixture(scope="module")
def written(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoder") / "encoder.onnx"
    main(["--images", str(portraits / "images"), "--limit", str(PHOTOGRAPHS), "--output", str(path)])
    return path


def deepest_features(rgb: np.ndarray) -> np.ndarray:
    """The mean of the deepest features of the starter's own network, (144,)."""
    checkpoint = load_checkpoint(STARTER_PATH)
    network, preprocessing = checkpoint.model.eval(), checkpoint.info.preprocessing
    assert isinstance(network, SINet)
    kept: list[torch.Tensor] = []
    network.encoder.merge8.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    batch = torch.from_numpy(preprocessing.resize(rgb)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        network.encoder.features(preprocessing.normalise(batch))
    return kept[0].mean(dim=(2, 3))[0].numpy()


@pytest.mark.slow
def test_embeddings_are_the_standardised_features_of_the_network(written, portraits):
    paths = sorted((portraits / "images").glob("*.jpg"))
    step = -(-len(paths) // PHOTOGRAPHS)
    features = np.stack([deepest_features(decode_image(path.read_bytes())) for path in paths[::step]])
    std = features.std(axis=0, ddof=1)
    standard = (features - features.mean(axis=0)) / np.where(std < LEAST_STD * std.max(), np.inf, std)
    expected = standard / np.linalg.norm(standard, axis=1, keepdims=True)
    encoder = ImageEncoder(written)
    embeddings = [encoder.embed(decode_image(path.read_bytes())) for path in paths[::step][:10]]
    np.testing.assert_allclose(embeddings, expected[:10], atol=1e-4)


def test_the_shipped_encoder_is_of_the_starter_and_small():
    metadata = {entry.key: entry.value for entry in onnx.load(ENCODER_PATH).metadata_props}
    assert metadata["weights_sha256"] == load_checkpoint(STARTER_PATH).weights_sha256
    assert ENCODER_PATH.stat().st_size < MOST_KB * 1024


def test_too_few_photographs_are_refused(portraits):
    few = [decode_image(next((portraits / "images").glob("*.jpg")).read_bytes())]
    with pytest.raises(UserError, match="expected 100 photographs or more, found 1"):
        image_encoder(load_checkpoint(STARTER_PATH), few)
