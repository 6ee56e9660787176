"""TensorFlow's MobileNetV2, out of an ONNX file, as an encoder of ours."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper

from manifests.errors import UserError
from manifests.pixels.images import decode_image
from trainer import import_weights
from trainer.weights.checkpoint import load_checkpoint

SIDE = 513  # 2**n * k + 1: both paddings give the same
THEIRS = (  # from the input to 1/8 of its side; after that the file's layers are dilated and ours not yet
    "MobilenetV2/Conv/Relu6:0",
    "MobilenetV2/expanded_conv/project/BatchNorm/FusedBatchNormV3:0",
    "MobilenetV2/expanded_conv_3/project/BatchNorm/FusedBatchNormV3:0",
)
OURS = ("bn1", "blocks.0.0", "blocks.2.0")


@pytest.fixture
def deeplab(shared: Path) -> Path:
    path = shared / "reference/teachers/deeplab_mnv2_050.onnx"
    if not path.is_file():
        pytest.skip(f"needs {path.name}, which is not in {path.parent}")
    return path


def features_of_theirs(path: Path, rgb: np.ndarray) -> list[np.ndarray]:
    model = onnx.load(str(path))
    model.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in THEIRS)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    pixels = (rgb.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]
    return session.run(list(THEIRS), {session.get_inputs()[0].name: pixels})


def test_its_features_are_those_of_the_file(deeplab, portraits, tmp_path):
    import_weights.main([str(deeplab), "--output", str(tmp_path), "--size", str(SIDE)])
    checkpoint = load_checkpoint(tmp_path)
    encoder = checkpoint.model.get_submodule("network.encoder.model")
    found = {}
    for name in OURS:
        encoder.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: found.update({name: output.clone()})
        )
    rgb = checkpoint.info.preprocessing.resize(decode_image(next(portraits.glob("images/train_*.jpg")).read_bytes()))
    with torch.inference_mode():
        encoder(checkpoint.info.preprocessing.normalise(torch.tensor(rgb).permute(2, 0, 1)[None]))
    for name, expected in zip(OURS, features_of_theirs(deeplab, rgb), strict=True):
        ours = found[name].numpy()[:, : expected.shape[1]]
        inside = (..., slice(8, -8), slice(8, -8))  # at the border ours pads pixels, theirs what they are scaled to
        assert np.abs(ours - expected)[inside].max() < 1e-3 * np.abs(expected).max()


def test_other_files_are_one_clear_line(tmp_path):
    other = tmp_path / "other.onnx"
    with pytest.raises(UserError, match=r"expected an ONNX file at .*other\.onnx, found none"):
        import_weights.main([str(other), "--output", str(tmp_path / "run")])
    other.write_bytes(b"no ONNX")
    with pytest.raises(UserError, match="found another or a damaged one"):
        import_weights.main([str(other), "--output", str(tmp_path / "run")])
    onnx.save(helper.make_model(helper.make_graph([], "empty", [], [])), str(other))
    with pytest.raises(UserError, match="expected TensorFlow's MobileNetV2"):
        import_weights.main([str(other), "--output", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()
