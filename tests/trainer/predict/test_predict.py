"""Predicting, measuring several networks in one table, and the authors' weights."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from portrait_datasets import import_portraits
from red_network import DESCRIPTION, red_is_person

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import decode_image
from manifests.pixels.masks import decode_mask
from manifests.pixels.metrics import MetricsAccumulator
from manifests.pixels.onnx_segmenter import OnnxSegmenter
from manifests.store.manifest import Manifest
from manifests.store.training_rows import require_rows
from trainer import import_weights
from trainer.data.preprocessing import sinet_authors
from trainer.evaluate import __main__ as evaluate
from trainer.evaluate import evaluation
from trainer.fit import __main__ as fit
from trainer.inference.predictors import open_predictor
from trainer.predict import __main__ as predict
from trainer.weights.checkpoint import load_checkpoint


@pytest.fixture(scope="module")
def manifest(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    root = tmp_path_factory.mktemp("dataset")
    return import_portraits(root, portraits, 12)


@pytest.fixture(scope="module")
def authors(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("authors")
    import_weights.main([str(shared / "reference/SINet.pth"), "--output", str(output)])
    return output


def half_red() -> Pixels:
    rgb = np.zeros((64, 96, 3), np.uint8)
    rgb[:, 48:, 0] = 255
    return rgb


def test_imported_weights_keep_their_odd_preprocessing(authors: Path):
    checkpoint = load_checkpoint(authors)
    assert checkpoint.info.preprocessing == sinet_authors()
    assert sum(parameter.numel() for parameter in checkpoint.model.parameters()) == 86_910


def test_imported_weights_may_state_their_own_constants(shared: Path, tmp_path: Path):
    numbers = ["--mean", "1", "2", "3", "--std", "4", "5", "6", "--size", "320"]
    import_weights.main([str(shared / "reference/SINet.pth"), "--output", str(tmp_path), *numbers])
    found = load_checkpoint(tmp_path).info.preprocessing
    assert (found.size_px, found.mean, found.std, found.divisor, found.colour_order) == (
        320,
        (1.0, 2.0, 3.0),
        (4.0, 5.0, 6.0),
        255.0,
        "bgr",
    )


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("code of the pickle was run",)


def test_a_pickle_with_code_in_it_is_refused_and_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "bad.pth").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UserError, match=r"tensors and nothing else, .* which was not run"):
        import_weights.main([str(tmp_path / "bad.pth"), "--output", str(tmp_path)])
    assert capsys.readouterr().out == ""


def test_predict_writes_a_mask_of_each_pictures_own_size(
    authors: Path,
    portraits: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    source = decode_image(min((portraits / "images").iterdir()).read_bytes())
    Image.fromarray(source).save(pictures / "a.png")
    Image.fromarray(source[:201, :150]).save(pictures / "b.jpg")
    (pictures / "broken.jpg").write_bytes(b"nothing")
    predict.main(["--checkpoint", str(authors), "--input", str(pictures), "--output", str(tmp_path / "masks")])
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "masks")
    assert "broken.jpg" in caplog.text
    assert {path.name for path in (tmp_path / "masks").iterdir()} == {"a.png", "b.png"}
    whole, part = (decode_mask((tmp_path / f"masks/{name}.png").read_bytes()) for name in "ab")
    assert whole.shape == source.shape[:2]
    assert part.shape == (201, 150)
    assert 0.1 < (whole >= 128).mean() < 0.95


def test_pictures_of_one_stem_are_refused_before_anything_is_written(authors: Path, tmp_path: Path):
    for name in ("a.png", "a.jpg"):
        Image.fromarray(half_red()).save(tmp_path / name)
    with pytest.raises(UserError, match="1 stem\\(s\\) more than once, 'a' for one"):
        predict.main(["--checkpoint", str(authors), "--input", str(tmp_path), "--output", str(tmp_path / "masks")])
    assert not (tmp_path / "masks").exists()


def test_an_onnx_network_is_fed_as_its_json_says(tmp_path: Path):
    prob = OnnxSegmenter(red_is_person(tmp_path / "red.onnx")).person_prob(half_red())
    assert prob.shape == (64, 96)
    assert prob[:, :44].max() < 0.01
    assert prob[:, 52:].min() > 0.99


def test_two_channels_of_logits_pass_a_softmax(tmp_path: Path):
    path = red_is_person(tmp_path / "two.onnx", softmax=True)  # channels: red, green
    stated = {**DESCRIPTION, "output": {"kind": "logits", "layout": "nhwc", "person_channel": 0}}
    path.with_suffix(".json").write_text(json.dumps(stated))
    prob = OnnxSegmenter(path).person_prob(half_red())
    assert prob[:, :44].mean() == pytest.approx(0.5)
    assert prob[:, 52:].mean() == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-3)


def test_everything_wrong_with_a_description_is_listed(tmp_path: Path):
    path = red_is_person(tmp_path / "red.onnx")
    stated = {"input": {**DESCRIPTION["input"], "layout": "chw", "std": [0, 1, 1]}, "output": DESCRIPTION["output"]}
    path.with_suffix(".json").write_text(json.dumps(stated))
    with pytest.raises(UserError, match=r"input.layout is none of nchw, nhwc; mean and std are not three numbers"):
        OnnxSegmenter(path)
    path.with_suffix(".json").write_text("{}")
    with pytest.raises(UserError, match="no objects called input and output"):
        OnnxSegmenter(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(UserError, match=r"expected .*red.json to describe input and output"):
        OnnxSegmenter(path)


def test_a_table_holds_several_networks_rotations_and_a_sheet(
    authors: Path, manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    rival = red_is_person(tmp_path / "red.onnx")
    arguments = ["--manifest", str(manifest.path), "--split", "all", "--device", "cpu", "--json"]
    evaluate.main([
        *("--checkpoint", str(authors), str(rival), *arguments),
        *("--rotations", "45", "--output", str(tmp_path / "sheets")),
    ])  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    ours, theirs = json.loads(lines[-2]), json.loads(lines[-1])
    assert ours["n"] == theirs["n"] == 12
    assert ours["miou"] > theirs["miou"]
    assert sum("rotated within +-45 degrees" in line for line in lines) == 2
    assert f"{ours['miou']:.4f} [" in lines[2]
    with Image.open(tmp_path / "sheets/1-worst.png") as sheet:
        assert sheet.width > 1000
    assert (tmp_path / "sheets/2-worst.png").exists()


def test_a_rotation_turns_picture_and_mask_alike():
    rgb, mask = np.zeros((60, 60, 3), np.uint8), np.zeros((60, 60), bool)
    rgb[10:30, 20:40], mask[10:30, 20:40] = 255, True
    turned, turned_mask = evaluation.rotated(rgb, mask, 90.0)
    white = turned[..., 0] > 191
    assert (white & turned_mask).sum() / (white | turned_mask).sum() > 0.9
    assert not (turned_mask & mask).all()


def test_the_angles_are_the_same_for_every_network(manifest: Manifest):
    seen: list[list[int]] = []

    class Watching:
        def person_prob(self, rgb: Pixels) -> np.ndarray:
            seen[-1].append(int(rgb.astype(int).sum()))
            return np.zeros(rgb.shape[:2], np.float32)

    for _ in range(2):
        seen.append([])
        rows = require_rows(manifest, "all")
        evaluation.measure(Watching(), rows, BlobStore(manifest.data_root), rotation_degrees=45.0)
    assert seen[0] == seen[1]


def test_bootstrap_intervals_hold_the_value_and_shrink_with_n():
    rng = np.random.default_rng(0)
    widths = []
    for n in (20, 200):
        accumulator = MetricsAccumulator()
        for _ in range(n):
            truth = rng.random((12, 12)) < 0.5
            accumulator.add(truth ^ (rng.random((12, 12)) < rng.uniform(0, 0.3)), truth)
        metrics, intervals = accumulator.result(), accumulator.intervals()
        for name, (low, high) in intervals.items():
            assert low <= getattr(metrics, name) <= high
        widths.append(intervals["miou"][1] - intervals["miou"][0])
    assert widths[1] < widths[0] / 2


def test_fitting_may_start_from_the_authors_weights(shared: Path, manifest: Manifest, tmp_path: Path):
    fit.main([
        *("--manifest", str(manifest.path), "--output", str(tmp_path / "run")),
        *("--init", str(shared / "reference/SINet.pth"), "--epochs", "1", "--size", "64", "--batch-size", "4"),
        *("--learning-rate", "1e-9", "--device", "cpu", "--no-compile"),
    ])  # fmt: skip
    checkpoint = load_checkpoint(tmp_path / "run")
    assert checkpoint.info.preprocessing == sinet_authors(64)
    weight = torch.load(shared / "reference/SINet.pth", map_location="cpu", weights_only=True)["classifier.1.weight"]
    torch.testing.assert_close(checkpoint.model.get_parameter("classifier.weight"), weight, rtol=0, atol=1e-5)


def test_weights_of_another_network_are_no_start(authors: Path, manifest: Manifest, tmp_path: Path):
    with pytest.raises(UserError, match="expected --init weights of the same network"):
        fit.main([
            *("--manifest", str(manifest.path), "--output", str(tmp_path), "--init", str(authors)),
            *("--gate", "gau", "--size", "32", "--device", "cpu", "--no-compile"),
        ])  # fmt: skip


def test_a_directory_stands_for_its_best_checkpoint(authors: Path):
    assert open_predictor(authors, torch.device("cpu")).person_prob(half_red()).shape == (64, 96)
