"""Exports: the files, what they say of themselves, and that they compute what their checkpoint computes."""

import dataclasses
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from portrait_datasets import import_portraits
from repository import ROOT

from manifests.errors import UserError
from manifests.files.blobs import BlobError
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_PROB
from manifests.pixels.onnx_segmenter import OnnxSegmenter
from manifests.store.manifest import Manifest
from pipeline.teachers import load_teacher
from pipeline.teachers.teacher import Portrait
from trainer.bench import latency
from trainer.data.preprocessing import Preprocessing, imagenet, sinet_authors
from trainer.export import __main__ as export
from trainer.export.deployable import deployable
from trainer.export.merged_branches import MergedModule, merge_branches
from trainer.export.ncnn_network import write_ncnn
from trainer.export.onnx_graph import write_onnx
from trainer.inference.predictors import open_predictor, person_prob
from trainer.inference.runtimes.metadata import Metadata
from trainer.models import MODELS, create_model
from trainer.models.sinet import BRANCHES, GATES
from trainer.weights.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from trainer.weights.checkpoint_files import STARTER, STARTER_PATH

CPU = torch.device("cpu")
TOLERANCE = 1e-4
SIDE_PX = load_checkpoint(STARTER_PATH).info.preprocessing.size_px
RUNTIMES = {
    "onnxruntime": "starter.onnx",
    "openvino": "starter.xml",
    "ncnn": "starter.ncnn.param",
    "tflite": "starter.tflite",
}


@pytest.fixture(scope="module")
def manifest(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return import_portraits(tmp_path_factory.mktemp("dataset"), portraits, 12)


@pytest.fixture(scope="module")
def exported(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("exported")
    export.main([
        *("--checkpoint", STARTER, "--to", "onnx", "openvino", "ncnn", "tflite"),
        *("--precision", "fp32", "fp16", "int8"),
        *("--output", str(output), "--manifest", str(manifest.path)),
    ])  # fmt: skip
    return output


@pytest.fixture(scope="module")
def rgb(astronaut: Image.Image) -> Pixels:
    return np.asarray(astronaut)


def fitted_somehow(name: str, preprocessing: Preprocessing, **options: str) -> Checkpoint:
    """A network whose norms and slopes are no longer those it was born with, as after fitting; some are negative."""
    generator = torch.manual_seed(0)
    model = create_model(name, **options).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.normal_(1, 0.5, generator=generator)
            module.bias.data.normal_(0, 0.2, generator=generator)
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
        if isinstance(module, torch.nn.PReLU):
            module.weight.data.normal_(0.2, 0.5, generator=generator)
    info = dataclasses.replace(
        load_checkpoint(STARTER_PATH).info, model=name, preprocessing=preprocessing, arguments=options
    )
    return Checkpoint(model, info, "0" * 64)


def a_batch(side_px: int) -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, side_px, side_px), dtype=torch.uint8, generator=torch.manual_seed(1))


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("branches", ["paper", "k5p4"])
@pytest.mark.parametrize("preprocessing", [imagenet(64), sinet_authors(64)], ids=["rgb", "bgr"])
def test_the_rewritten_sinet_is_the_same_function_up_to_its_borders(
    gate: str, branches: str, preprocessing: Preprocessing
):
    assert branches in BRANCHES
    checkpoint, images = fitted_somehow("sinet", preprocessing, gate=gate, branches=branches), a_batch(64)
    with torch.inference_mode():
        found = deployable(checkpoint)(images)[:, 0]
    expected = person_prob(checkpoint.model, images, preprocessing)
    assert expected.std() > 1e-3
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("branches", ["paper", "k5p1", "k3p2"])
def test_merged_branches_are_the_same_function(branches: str):
    checkpoint, images = fitted_somehow("sinet", imagenet(64), branches=branches), a_batch(64)
    network = deployable(checkpoint)
    with torch.inference_mode():
        expected = network(images)
        merge_branches(network.body)
        found = network(images)
    assert expected.std() > 1e-3
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    merged = sum(isinstance(module, MergedModule) for module in network.modules())
    assert merged == {"paper": 6, "k5p1": 10, "k3p2": 0}[branches]


@pytest.mark.parametrize("scales", [(0.0, 1.0), (-1.5, 0.3)], ids=["dead", "negative"])
@pytest.mark.parametrize("gate", GATES)
def test_the_decoders_scale_may_be_zero_or_negative(gate: str, scales: tuple[float, float]):
    checkpoint, images = fitted_somehow("sinet", imagenet(64), gate=gate), a_batch(64)
    checkpoint.model.norm2.weight.data = torch.tensor(scales)
    with torch.inference_mode():
        found = deployable(checkpoint)(images)[:, 0]
    expected = person_prob(checkpoint.model, images, imagenet(64))
    assert expected.std() > 1e-3
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_rewriting_leaves_the_checkpoint_as_it_was():
    checkpoint = fitted_somehow("sinet", imagenet(64))
    before = {name: tensor.clone() for name, tensor in checkpoint.model.state_dict().items()}
    deployable(checkpoint)
    after = checkpoint.model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MODELS, "smp:linknet:resnet18"])
def test_every_model_gives_an_onnx_file_that_computes_the_same(name: str, tmp_path: Path):
    checkpoint = fitted_somehow(name, imagenet(128))
    metadata = Metadata.of(checkpoint, name="any", input_px=128, licence="none")
    write_onnx(deployable(checkpoint), tmp_path / "any.onnx", metadata)
    graph = onnx.load(tmp_path / "any.onnx").graph
    convolved = {node.output[0] for node in graph.node if node.op_type == "Conv"}
    norms = [node for node in graph.node if node.op_type == "BatchNormalization"]
    assert not [node.name for node in norms if node.input[0] in convolved]  # those behind sums stay
    images = a_batch(128)[:1]
    found = OnnxSegmenter(tmp_path / "any.onnx", threads=1).run(images.numpy())[:, 0]
    expected = person_prob(checkpoint.model, images, imagenet(128)).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.slow
def test_a_dynamic_file_takes_any_batch_and_side(tmp_path: Path):
    checkpoint = fitted_somehow("sinet", imagenet(64))
    metadata = Metadata.of(checkpoint, name="any", input_px=64, licence="none")
    write_onnx(deployable(checkpoint), tmp_path / "any.onnx", metadata, dynamic_multiple_px=32)
    segmenter = OnnxSegmenter(tmp_path / "any.onnx", threads=1)
    for shape in ((1, 3, 96, 160), (3, 3, 64, 64)):
        images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.manual_seed(1))
        expected = person_prob(checkpoint.model, images, imagenet(64)).numpy()
        np.testing.assert_allclose(segmenter.run(images.numpy())[:, 0], expected, rtol=0, atol=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_each_runtime_gives_the_checkpoints_probabilities(runtime: str, exported: Path, rgb: Pixels):
    expected = open_predictor(STARTER_PATH, CPU).person_prob(rgb)
    found = open_predictor(exported / RUNTIMES[runtime], CPU, runtime=runtime, threads=1).person_prob(rgb)
    assert found.dtype == np.float32
    assert (expected >= PERSON_PROB).mean() > 0.2
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_the_report_holds_parity_and_metrics_of_every_file(exported: Path, manifest: Manifest):
    report = json.loads((exported / "report.json").read_text())
    found = {(entry["runtime"], entry["precision"]): entry["parity"] for entry in report["exports"]}
    for kind in (("onnxruntime", "fp32"), ("openvino", "fp32"), ("tflite", "fp32")):
        assert found[kind]["largest_difference"] <= TOLERANCE
    assert found["ncnn", "fp32"]["equal_fraction"] >= 0.995
    assert found["onnxruntime", "fp16"]["equal_fraction"] >= 0.995
    assert found["tflite", "fp16"]["equal_fraction"] >= 0.995
    own = report["checkpoint"]["metrics"]
    assert own["miou"] > 0.85
    for runtime in ("onnxruntime", "tflite"):
        assert found[runtime, "int8"]["metrics"]["miou"] >= own["miou"] - 0.03  # of 8 photographs; docs have 100
    assert report["photographs"] == own["n"] == 8
    assert set(report["packages"]) >= {"torch", "onnxruntime", "openvino", "ncnn", "ai_edge_litert"}
    assert f"{own['miou']:.4f}" in (exported / "report.md").read_text()
    assert {entry["files"][0] for entry in report["exports"]} < {path.name for path in exported.iterdir()}


def test_the_report_counts_the_operations_of_every_file(exported: Path):
    report = json.loads((exported / "report.json").read_text())
    found = {entry["files"][0]: entry["operations"] for entry in report["exports"]}
    for name in ("starter.tflite", "starter-fp16.tflite", "starter-int8.tflite"):
        assert found[name]["PRELU"] == 39
        assert found[name]["CONV_2D"] + found[name]["DEPTHWISE_CONV_2D"] == 64
        assert "TRANSPOSE" not in found[name]
    assert found["starter.ncnn.param"]["PReLU"] == found["starter.xml"]["PReLU"] == 39
    kinds = {kind for name, counts in found.items() if "int8" not in name for kind in counts}
    assert not {"Input", "MemoryData", "Const", "DEQUANTIZE"} & kinds
    total = sum(found["starter.tflite"].values())
    assert (
        f"| starter.tflite | {(exported / 'starter.tflite').stat().st_size:,} | {total} | fp32 |"
        in (exported / "report.md").read_text()
    )


def test_what_the_int8_file_computes_with_is_8_bits(exported: Path):
    model = onnx.load(exported / "starter-int8.onnx")
    kinds = Counter(node.op_type for node in model.graph.node)
    assert kinds["QuantizeLinear"] > 50
    weights = {constant.data_type for constant in model.graph.initializer if len(constant.dims) == 4}
    assert onnx.TensorProto.INT8 in weights


def test_an_onnx_file_knows_where_it_comes_from(exported: Path):
    checkpoint = load_checkpoint(STARTER_PATH)
    for name in ("starter.onnx", "starter-fp16.onnx", "starter-int8.onnx"):
        model = onnx.load(exported / name)
        said = {entry.key: entry.value for entry in model.metadata_props}
        assert json.loads(said["classes"]) == ["background", "person"]
        assert said["input_px"] == str(SIDE_PX)
        assert said["checkpoint"] == STARTER
        assert said["weights_sha256"] == checkpoint.weights_sha256
        assert said["manifest_version"] == str(checkpoint.info.manifest_version)
        assert said["manifest_digest"] == checkpoint.info.manifest_digest
        assert said["licence"] == "Apache-2.0"
        [taken], [given] = model.graph.input, model.graph.output
        assert (taken.name, given.name) == ("image", "person_prob")
        assert taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8
        assert given.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        assert str(ROOT).encode() not in (exported / name).read_bytes()


def test_an_exported_file_is_a_teacher(exported: Path, rgb: Pixels):
    teacher = load_teacher(f"onnx:{exported / 'starter.onnx'}")
    [found] = teacher.predict([Portrait(rgb, [])])
    np.testing.assert_allclose(found.prob, open_predictor(STARTER_PATH, CPU).person_prob(rgb), rtol=0, atol=TOLERANCE)


def test_a_description_beside_the_file_outweighs_its_own(exported: Path, tmp_path: Path, rgb: Pixels):
    path = tmp_path / "starter.onnx"
    path.write_bytes((exported / "starter.onnx").read_bytes())
    square = {"height": SIDE_PX, "width": SIDE_PX}
    plain = {**square, "layout": "nchw", "colour_order": "bgr", "mean": [0, 0, 0], "std": [1, 1, 1]}
    stated = {"input": plain, "output": {"kind": "probability", "layout": "nchw", "person_channel": 0}}
    path.with_suffix(".json").write_text(json.dumps(stated))
    swapped = OnnxSegmenter(path).person_prob(np.ascontiguousarray(rgb[..., ::-1]))
    np.testing.assert_allclose(swapped, OnnxSegmenter(exported / "starter.onnx").person_prob(rgb), atol=1e-6)
    stated["input"] = {**plain, "std": [255, 255, 255]}
    path.with_suffix(".json").write_text(json.dumps(stated))
    with pytest.raises(UserError, match=r"expected mean 0 and std 1 for .*, which takes unscaled pixels"):
        OnnxSegmenter(path)


def test_a_runtime_that_the_suffix_does_not_stand_for_is_refused(exported: Path):
    with pytest.raises(UserError, match=r"expected the runtime openvino for starter.xml, found ncnn"):
        open_predictor(exported / "starter.xml", CPU, runtime="ncnn")
    with pytest.raises(UserError, match=r"found 'tensorrt', none of auto, torch, onnxruntime, openvino, ncnn, tflite"):
        open_predictor(STARTER_PATH, CPU, runtime="tensorrt")


@pytest.mark.parametrize(
    ("name", "ending", "message"),
    [
        ("starter.xml", ".bin", "expected an OpenVINO model, starter.xml and starter.bin, found no .*starter.bin"),
        ("starter.ncnn.param", ".json", "expected an ncnn network that trainer.export wrote, .*found no .*json"),
    ],
)
def test_a_part_that_is_missing_is_named(name: str, ending: str, message: str, exported: Path, tmp_path: Path):
    for path in exported.glob("starter.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).with_suffix(ending).unlink()
    with pytest.raises(UserError, match=message):
        open_predictor(tmp_path / name, CPU)


def test_exporting_again_replaces_and_other_files_are_never_touched(exported: Path, tmp_path: Path):
    (tmp_path / "diary.txt").write_text("mine")
    arguments = ["--checkpoint", STARTER, "--to", "onnx", "--output"]
    with pytest.raises(UserError, match=r"expected a new folder, or one with exports of starter, .* found diary.txt"):
        export.main([*arguments, str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]
    with pytest.raises(UserError, match=r"expected a folder for --output, found a file"):
        export.main([*arguments, str(tmp_path / "diary.txt")])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "onnx", "--precision", "int8"], "expected --manifest with photographs to calibrate int8 with"),
        (
            ["--to", "ncnn", "--precision", "fp16"],
            "expected onnx or tflite in --to for --precision fp16, found neither",
        ),
    ],
)
def test_choices_that_do_not_go_together_are_refused_at_once(words: list[str], message: str, tmp_path: Path):
    with pytest.raises(UserError, match=message):
        export.main(["--checkpoint", STARTER, "--output", str(tmp_path / "out"), *words])
    assert not (tmp_path / "out").exists()


def test_a_picture_that_is_missing_is_named_before_anything_is_converted(portraits: Path, tmp_path: Path):
    manifest = import_portraits(tmp_path, portraits, 3)
    for picture in manifest.data_root.rglob("*.jpg"):
        picture.unlink()
    with pytest.raises(BlobError, match=r"\.jpg"):
        export.main([
            *("--checkpoint", STARTER, "--to", "onnx", "--output", str(tmp_path / "out")),
            *("--manifest", str(manifest.path)),
        ])  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "openvino", None)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "trainer.inference.runtimes.packages.find_spec", lambda name: None if name == "openvino" else found(name)
    )
    with pytest.raises(UserError, match=r"expected the package openvino, .*pip install 'maskfoundry\[openvino\]'"):
        export.main(["--checkpoint", STARTER, "--to", "openvino", "--output", str(tmp_path / "out")])


def test_a_network_of_other_classes_is_refused(tmp_path: Path):
    info = dataclasses.replace(load_checkpoint(STARTER_PATH).info, arguments={"classes": 3})
    save_checkpoint(tmp_path / "three.safetensors", create_model("sinet", classes=3), info)
    with pytest.raises(UserError, match="expected a network of two classes, background and person, found 3"):
        export.main([
            *("--checkpoint", str(tmp_path / "three.safetensors"), "--to", "onnx"),
            *("--output", str(tmp_path / "out")),
        ])  # fmt: skip
    assert not list((tmp_path / "out").glob("*"))


def test_a_network_of_one_size_is_refused_for_dynamic_files(tmp_path: Path):
    checkpoint = fitted_somehow("espnetv2", imagenet(64))
    save_checkpoint(tmp_path / "any.safetensors", checkpoint.model, checkpoint.info)
    with pytest.raises(UserError, match="whose graph holds for every size, found espnetv2; leave out --dynamic"):
        export.main([
            *("--checkpoint", str(tmp_path / "any.safetensors"), "--to", "onnx", "--dynamic"),
            *("--output", str(tmp_path / "exported")),
        ])  # fmt: skip


def test_only_a_sinets_branches_can_be_merged(tmp_path: Path):
    checkpoint = fitted_somehow("lraspp_mobilenetv3_small", imagenet(64))
    save_checkpoint(tmp_path / "any.safetensors", checkpoint.model, checkpoint.info)
    with pytest.raises(UserError, match=r"expected a SINet, .*, found lraspp_mobilenetv3_small; leave out --fewest-op"):
        export.main([
            *("--checkpoint", str(tmp_path / "any.safetensors"), "--to", "tflite", "--fewest-operations"),
            *("--output", str(tmp_path / "exported")),
        ])  # fmt: skip
    assert not (tmp_path / "exported").exists()


def test_a_network_that_ncnn_cannot_hold_is_refused_in_a_line(tmp_path: Path):
    class Sorting(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.sort(dim=2).values[:, :1]

    network = deployable(fitted_somehow("sinet", imagenet(64)))
    network.body = Sorting()
    metadata = Metadata.of(load_checkpoint(STARTER_PATH), name="any", input_px=64, licence="none")
    with pytest.raises(UserError, match=r"expected a network that ncnn can hold, found sinet: .*; leave ncnn out"):
        write_ncnn(network, tmp_path / "any.ncnn.param", metadata)


def test_multiply_accumulates_are_those_of_the_paper_but_for_the_decoder(exported: Path):
    graph = onnx.load(exported / "starter.onnx").graph
    kinds = Counter(node.op_type for node in graph.node)
    assert kinds["Relu"] > 30
    assert kinds["PRelu"] == 0  # onnx_prelu.py says why
    of_224_px = latency.macs(exported / "starter-fp16.onnx") * (224 / SIDE_PX) ** 2
    assert 62e6 < of_224_px < 66e6  # 63.87 M in the paper's table 3


@pytest.mark.slow
def test_a_coreml_package_has_the_contracts_input_and_output(tmp_path: Path):
    export.main(["--checkpoint", STARTER, "--to", "coreml", "--output", str(tmp_path / "out")])
    report = json.loads((tmp_path / "out/report.json").read_text())
    [entry] = report["exports"]
    assert entry["checked"]["input"] == [1, 3, SIDE_PX, SIDE_PX]
    assert entry["operations"]["conv"] > 50
    assert "const" not in entry["operations"]
    assert "was not run here" in (tmp_path / "out/report.md").read_text()


SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/deploy.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=["predictor", "onnxruntime", "openvino", "ncnn", "tflite"])
def test_each_snippet_of_the_page_finds_the_person(
    snippet: str, exported: Path, astronaut: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported/starter").symlink_to(exported)
    astronaut.save(tmp_path / "portrait.jpg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, np.ndarray] = {}
    exec(snippet, names)
    assert 0.3 < (names["prob"] >= PERSON_PROB).mean() < 0.7


@pytest.mark.slow
def test_the_command_prints_what_it_made_last(tmp_path: Path):
    words = ["--checkpoint", STARTER, "--to", "onnx", "--output", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "trainer.export", *words], capture_output=True, text=True, check=True,
        cwd=ROOT,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == str(tmp_path / "out")
    assert done.stderr == ""
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"starter.onnx", "report.json", "report.md"}


@pytest.mark.slow
def test_openvinos_telemetry_is_not_loaded(tmp_path: Path) -> None:
    """Where it is, it writes a client's id into ~/intel and sends events from a process of its own."""
    command = [sys.executable, "-m", "trainer.export", "--checkpoint", STARTER, "--to", "openvino"]
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"HOME": str(tmp_path)}
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "out")], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").is_dir()
    assert not (tmp_path / "intel").exists()
