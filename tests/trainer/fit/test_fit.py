"""`trainer.fit` and `trainer.evaluate` as their users call them, on real photographs."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.compute as pc
import pytest
import torch
from operations import ended
from portrait_datasets import import_portraits
from repository import ROOT

from manifests.errors import UserError
from manifests.store.manifest import Manifest, ManifestStore
from trainer.bench import training as bench
from trainer.bench.timing import interleaved_medians
from trainer.data.preprocessing import sinet_authors
from trainer.evaluate import __main__ as evaluate
from trainer.fit import __main__ as fit
from trainer.fit import stage_objective, steps
from trainer.fit.metrics_log import EpochMetrics, RunLog, read_log
from trainer.fit.report import chosen
from trainer.fit.run_state import RunProgress
from trainer.models import create_model
from trainer.models.sinet import load_authors_state_dict
from trainer.weights.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from trainer.weights.tensor_file import read_tensors

QUICK = ["--size", "32", "--batch-size", "16", "--device", "cpu", "--no-compile"]


@pytest.fixture(scope="module")
def manifest(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    root = tmp_path_factory.mktemp("dataset")
    return import_portraits(root, portraits, 48)  # few as they are, some are val


@pytest.fixture(scope="module")
def run(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two epochs."""
    output = tmp_path_factory.mktemp("runs") / "two"
    fit.main(["--manifest", str(manifest.path), "--output", str(output), "--epochs", "2", *QUICK])
    return output


def only_split(manifest: Manifest, split: str, directory: Path) -> Manifest:
    table = manifest.read().filter(pc.field("split") == split)
    return ManifestStore(directory).commit(
        table, parent=None, operation="import", parameters={}, data_root=manifest.data_root
    )


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_fit_writes_best_and_last_and_prints_the_path(
    manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "run"
    fit.main(["--manifest", str(manifest.path), "--output", str(output), "--epochs", "1", *QUICK])
    lines = lines_of(capsys)
    assert lines[-1] == str(output / "best.safetensors")
    number = r"\d\.\d{4}"
    metrics = rf"miou {number}  person_iou_per_image {number}  boundary_f1 {number}"
    assert re.search(rf"^epoch 1/1  loss {number}  {metrics}  \d+\.\d images/s, 0 s left$", lines[-2])
    names = {"best.safetensors", "best.json", "last.safetensors", "last.json", "resume.safetensors"}
    logs = {"config.json", "metrics.csv", "tensorboard"}
    pages = {"curves.png", "predictions.png", "README.md"}
    assert {path.name for path in output.iterdir()} == names | logs | pages


def test_a_checkpoint_names_its_manifest_and_its_metrics(manifest: Manifest, run: Path):
    info = load_checkpoint(run).info
    assert (info.manifest_version, info.manifest_digest) == (manifest.version, manifest.digest)
    assert info.metrics is not None
    assert info.preprocessing.size_px == 32


def test_a_finished_run_says_so_and_is_left_alone(manifest: Manifest, run: Path, capsys: pytest.CaptureFixture[str]):
    before = (run / "last.safetensors").stat().st_mtime_ns
    fit.main(["--manifest", str(manifest.path), "--output", str(run), "--epochs", "2", *QUICK])
    lines = lines_of(capsys)
    assert "is finished: 2 epochs" in lines[0]
    assert lines[-1] == str(run / "best.safetensors")
    assert (run / "last.safetensors").stat().st_mtime_ns == before


def test_another_configuration_is_refused_with_what_differs(manifest: Manifest, run: Path):
    with pytest.raises(UserError, match=r"found one of epochs 2 and not 3; give another --output"):
        fit.main(["--manifest", str(manifest.path), "--output", str(run), "--epochs", "3", *QUICK])


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_weights(
    manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = ["--manifest", str(manifest.path), "--epochs", "6", *QUICK]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-m", "trainer.fit", *arguments, "--output", str(killed)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT) as process:
        while not (killed / "resume.safetensors").exists() and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    fit.main([*arguments, "--output", str(killed)])
    assert any(line.startswith(f"resuming {killed} after epoch") for line in lines_of(capsys))
    fit.main([*arguments, "--output", str(whole)])
    for name in ("best.json", "last.json"):
        resumed, straight = (json.loads((output / name).read_text()) for output in (killed, whole))
        assert resumed["weights_sha256"] == straight["weights_sha256"]
        assert resumed["epoch"] == straight["epoch"]


def test_a_run_in_several_sittings_ends_with_the_same_weights(
    manifest: Manifest, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "sittings"
    command = ["--manifest", str(manifest.path), "--output", str(output), "--epochs", "2", *QUICK, "--minutes", "1e-6"]
    fit.main(command)
    assert lines_of(capsys)[-2:] == ["stopped after epoch 1 of 2; the same command resumes", str(output)]
    fit.main(command)
    assert lines_of(capsys)[-1] == str(output / "best.safetensors")
    in_one, in_two = (json.loads((directory / "last.json").read_text()) for directory in (run, output))
    assert in_two["weights_sha256"] == in_one["weights_sha256"]


def test_evaluate_repeats_the_metrics_of_the_run(manifest: Manifest, run: Path, capsys: pytest.CaptureFixture[str]):
    evaluate.main(["--checkpoint", str(run), "--manifest", str(manifest.path), "--json", "--device", "cpu"])
    found = json.loads(lines_of(capsys)[-1])
    expected = json.loads((run / "best.json").read_text())["metrics"]
    assert found.keys() == {"n", "miou", "person_iou_per_image", "boundary_f1"}
    assert found == pytest.approx(expected, abs=1e-3)  # batches differ, and with them the last digits


def test_the_authors_weights_find_the_persons(
    shared: Path, manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    model = create_model("sinet")
    load_authors_state_dict(model, torch.load(shared / "reference/SINet.pth", map_location="cpu", weights_only=True))
    info = CheckpointInfo("sinet", sinet_authors(), 300, 0.0, None, manifest_version=0, manifest_digest="")
    save_checkpoint(tmp_path / "authors.safetensors", model, info)
    evaluate.main([
        *("--checkpoint", str(tmp_path / "authors.safetensors"), "--manifest", str(manifest.path)),
        *("--split", "all", "--json", "--device", "cpu"),
    ])  # fmt: skip
    found = json.loads(lines_of(capsys)[-1])
    assert found["n"] == 48
    assert found["person_iou_per_image"] > 0.85


def test_an_empty_validation_split_is_said_and_no_metric_is_made_up(
    manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    train_only = only_split(manifest, "train", tmp_path / "manifests")
    output = tmp_path / "run"
    fit.main(["--manifest", str(train_only.path), "--output", str(output), "--epochs", "1", *QUICK])
    assert any(line.startswith("nothing to validate on") for line in lines_of(capsys))
    assert json.loads((output / "best.json").read_text())["metrics"] is None
    with pytest.raises(UserError, match="expected accepted rows in the val split"):
        evaluate.main(["--checkpoint", str(output), "--manifest", str(train_only.path)])


def test_no_accepted_row_to_train_on_is_one_line(manifest: Manifest, tmp_path: Path):
    val_only = only_split(manifest, "val", tmp_path / "manifests")
    with pytest.raises(UserError, match="expected accepted rows in the train split"):
        fit.main(["--manifest", str(val_only.path), "--output", str(tmp_path / "run"), *QUICK])


def test_a_diverging_run_stops_and_keeps_no_spoilt_weights(manifest: Manifest, tmp_path: Path):
    output = tmp_path / "run"
    arguments = ["--manifest", str(manifest.path), "--output", str(output), "--epochs", "2", *QUICK]
    with pytest.raises(
        UserError, match=r"expected a finite loss .*, found another loss at step 2 in epoch 1; nothing was"
    ):
        fit.main([*arguments, "--learning-rate", "1e30"])
    assert not output.exists()


def test_a_missing_manifest_exits_with_1_and_one_line(tmp_path: Path):
    done = ended(lambda: fit.main(["--manifest", str(tmp_path / "v9.parquet")]))
    assert done.status == 1
    assert re.fullmatch(r"error: expected a manifest at .*v9.parquet, found no file; .*\n", done.error)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--model", "sinnet", "sinet"),
        ("--size", "225", "expected a multiple of 32"),
        ("--epochs", "0", "expected a whole number of at least 1"),
        ("--learning-rate", "fast", "expected a number above 0"),
    ],
)
def test_wrong_arguments_exit_with_2(option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        fit.main(["--manifest", "v1.parquet", option, value])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tpu", "cuda:99", "meta"])
def test_a_device_that_is_not_there_is_one_line(name: str, tmp_path: Path):
    with pytest.raises(UserError, match="--device"):
        fit.main(["--manifest", str(tmp_path / "v1.parquet"), "--device", name])


def test_each_epoch_has_random_numbers_of_its_own():
    keys = [(0, 1, 1), (0, 1, 1), (0, 1, 2), (0, 0, 1), (1, 1, 1)]
    drawn = [torch.rand(1, generator=steps.epoch_generator(*key)).item() for key in keys]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 4


def test_the_label_of_the_encoder_is_the_top_left_pixel_of_each_cell():
    shares = torch.zeros(1, 16, 16)
    shares[0, 8, 0] = 0.5
    shares[0, 1, 9] = 1.0
    assert steps.targets(shares, 8).tolist() == [[[0.0, 0.0], [1.0, 0.0]]]


def test_bench_times_its_candidates_in_turns_against_the_baseline(capsys: pytest.CaptureFixture[str]):
    calls: list[str] = []
    candidates = {bench.EAGER: lambda: calls.append("baseline"), "other": lambda: calls.append("other")}
    medians = interleaved_medians(candidates, seconds=0)
    assert calls == ["baseline", "other"] * 4
    bench.report("title", {bench.EAGER: 2.0, "other": 1.0}, "s", lambda median: median)
    assert medians.keys() == candidates.keys()
    assert lines_of(capsys)[-1].endswith("2.00x")


def fitted(manifest: Manifest, output: Path, *arguments: str) -> Path:
    fit.main(["--manifest", str(manifest.path), "--output", str(output), *QUICK, *arguments])
    return output


def test_the_log_has_a_line_for_every_epoch_and_the_card_names_the_data(manifest: Manifest, run: Path):
    lines = read_log(run)
    assert [line["epoch"] for line in lines] == ["1", "2"]
    best = json.loads((run / "best.json").read_text())
    assert float(lines[best["epoch"] - 1]["miou"]) == pytest.approx(best["metrics"]["miou"], abs=1e-6)
    card = (run / "README.md").read_text()
    assert manifest.digest in card
    assert "86,910 parameters" in card
    assert "| slice, worst first | n | miou |" in card
    assert json.loads((run / "config.json").read_text())["manifest_version"] == manifest.version


def test_the_whole_network_starts_from_the_best_encoder(
    manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = fitted(manifest, tmp_path / "run", "--encoder-epochs", "2", "--epochs", "1", "--learning-rate", "1e-9")
    lines = [line for line in lines_of(capsys) if "epoch " in line]
    assert [line.split("  ")[0] for line in lines] == ["encoder epoch 1/2", "encoder epoch 2/2", "epoch 1/1"]
    assert [(line["stage"], line["epoch"]) for line in read_log(output)] == [("0", "1"), ("0", "2"), ("1", "1")]
    encoder, _ = read_tensors(output / "encoder.safetensors", kind="encoder")
    found = load_checkpoint(output).model.get_submodule("encoder").state_dict()
    torch.testing.assert_close(found["classifier.weight"], encoder["classifier.weight"], rtol=0, atol=1e-6)


def test_an_smp_network_is_fitted_by_the_same_command_and_saved_for_the_pipeline(manifest: Manifest, tmp_path: Path):
    output = fitted(manifest, tmp_path / "run", "--model", "smp:linknet:resnet18", "--epochs", "1", "--limit", "16")
    assert {path.name for path in (output / "pretrained").iterdir()} == {"config.json", "model.safetensors"}
    assert load_checkpoint(output).info.model == "smp:linknet:resnet18"


def test_options_reach_the_recipe_and_the_data(manifest: Manifest, tmp_path: Path):
    options = ["--loss", "dice", "--soft-masks", "--gate", "gau", "--limit", "20", "--weight", "portraits=2"]
    output = fitted(manifest, tmp_path / "run", "--epochs", "1", *options)
    found = json.loads((output / "config.json").read_text())
    expected = {"loss": "dice", "soft_masks": True, "limit": 20, "source_weights": {"portraits": 2.0}}
    assert found.items() >= expected.items()
    assert load_checkpoint(output).info.arguments == {"gate": "gau"}


def test_people_are_put_before_other_backgrounds(
    manifest: Manifest, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = fitted(manifest, tmp_path / "composite", "--epochs", "2", "--composite-prob", "0.5")
    assert re.search(r"^\d+ images without people$", capsys.readouterr().out, re.MULTILINE)
    assert json.loads((output / "config.json").read_text())["composite_prob"] == 0.5
    assert read_log(output)[0]["loss"] != read_log(run)[0]["loss"]


def test_a_start_from_a_checkpoint_takes_its_size_over(manifest: Manifest, tmp_path: Path):
    first = fitted(manifest, tmp_path / "first", "--size", "64", "--epochs", "1", "--limit", "16")
    options = [option for option in QUICK if option not in ("--size", "32")]
    arguments = ["--manifest", str(manifest.path), "--init", str(first), "--output", str(tmp_path / "second")]
    fit.main([*arguments, "--epochs", "1", "--limit", "16", *options])
    assert load_checkpoint(tmp_path / "second").info.preprocessing.size_px == 64


def test_a_folder_without_backgrounds_is_refused_before_anything_is_read(manifest: Manifest, tmp_path: Path):
    (tmp_path / "rooms/images").mkdir(parents=True)
    with pytest.raises(UserError, match=r"expected images in .*rooms, for --backgrounds, found none"):
        fitted(manifest, tmp_path / "run", "--backgrounds", str(tmp_path / "rooms"))
    assert not (tmp_path / "run").exists()


def test_a_weight_for_a_source_that_is_not_there_lists_the_sources(manifest: Manifest, tmp_path: Path):
    with pytest.raises(UserError, match="expected --weight for sources out of portraits, found selfies"):
        fitted(manifest, tmp_path / "run", "--weight", "selfies=2")


def test_soft_targets_are_the_shares_themselves():
    shares = torch.tensor([[[0.2, 0.6], [0.5, 1.0]]])
    assert steps.targets(shares, 1, soft=True).tolist() == shares.tolist()
    assert steps.targets(shares, 1).tolist() == [[[0.0, 1.0], [1.0, 1.0]]]


def test_a_log_forgets_what_was_written_after_the_state_it_resumes_from(tmp_path: Path):
    first = RunLog(tmp_path, RunProgress())
    for epoch in (1, 2, 3):
        first.add(EpochMetrics(1, epoch, 0.5, None, 10.0))
    first.close()
    assert [line["epoch"] for line in RunLog(tmp_path, RunProgress(stage=1, epoch=2)).lines] == ["1", "2"]


def test_the_sheet_shows_best_median_and_worst():
    assert chosen([0.1, 0.9, 0.5, 0.7, 0.3], per_row=1) == [("best", 1), ("median", 2), ("worst", 0)]
    assert chosen([0.4], per_row=8) == [("best", 0), ("median", 0), ("worst", 0)]


@pytest.mark.parametrize(("least_steps", "compiles"), [(2, False), (1, True)])
def test_only_runs_long_enough_to_gain_by_it_are_compiled(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least_steps: int, compiles: bool
):
    asked = []
    monkeypatch.setattr(stage_objective, "MIN_STEPS_TO_COMPILE", least_steps)
    monkeypatch.setattr(stage_objective, "compiled", lambda loss_of, *_batch: asked.append(loss_of) or loss_of)
    quick = [word for word in QUICK if word != "--no-compile"]
    one_step = ["--epochs", "1", "--batch-size", "48"]
    fit.main(["--manifest", str(manifest.path), "--output", str(tmp_path / "run"), *quick, *one_step])
    assert bool(asked) == compiles


def test_pictures_are_small_at_first_and_the_band_with_them(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen, kernels = [], []
    train_on_batch, make_objective = steps.train_on_batch, stage_objective.objective
    monkeypatch.setattr(
        steps,
        "train_on_batch",
        lambda stage, step, images, labels, **choices: (
            seen.append((*images.shape[2:], *labels.shape[1:]))
            or train_on_batch(stage, step, images, labels, **choices)
        ),
    )
    monkeypatch.setattr(
        stage_objective,
        "objective",
        lambda *args, **choices: kernels.append(choices["kernel_px"]) or make_objective(*args, **choices),
    )
    schedule = [
        "--size",
        "64",
        "--epochs",
        "4",
        "--low-res-epochs",
        "0.5",
        "--low-res-scale",
        "0.6",
        "--batch-size",
        "48",
    ]
    fit.main(["--manifest", str(manifest.path), "--output", str(tmp_path / "run"), *QUICK, *schedule])
    assert seen == [(32, 32, 32, 32)] * 2 + [(64, 64, 64, 64)] * 2
    assert kernels == [7, 15]
