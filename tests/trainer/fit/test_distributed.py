"""Several processes train as one does: the same losses, gradients and weights, one line of error, no hang.

Everything runs on the CPU over gloo. Two processes add in another order than one, which changes the last digits of
a sum; where exactness matters the tests therefore compute in float64.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.multiprocessing
from portrait_datasets import import_portraits
from replaced_modules import sinet_after
from repository import ROOT
from torch import nn
from two_processes import batch_of_a_norm, gradients_of_all_losses, in_two_processes, measured, steps_through_a_norm

from manifests.errors import UserError
from manifests.store.manifest import Manifest
from trainer.data.rank_slice import check_shares
from trainer.fit import __main__ as fit
from trainer.fit.distributed import open_fabric
from trainer.fit.losses import LOSSES
from trainer.fit.metrics_log import read_log
from trainer.models.sync_batch_norm import SynchronisedBatchNorm2d, synchronise_batch_norms
from trainer.weights.tensor_file import read_tensors

TIMEOUT_SECONDS = 120  # of a run that takes 15 on two quiet cores: one that hangs fails here
QUICK = ["--size", "64", "--batch-size", "16", "--device", "cpu", "--no-compile", "--epochs", "2"]
# With the preset's rate Adam turns the last digits of gradients near 0 into steps of their own within four steps,
# and losses differ by 4e-4: as much as those of one process with one thread and with two do.
SLOWLY = ["--learning-rate", "1e-5"]


@pytest.fixture(scope="module")
def manifest(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return import_portraits(tmp_path_factory.mktemp("dataset"), portraits, 48)


@pytest.mark.slow
def test_batch_norm_over_two_processes_is_torchs_over_the_joined_batch(tmp_path: Path):
    expected = measured(nn.BatchNorm2d(4).double(), *batch_of_a_norm())
    first, second = in_two_processes(steps_through_a_norm, tmp_path)
    for rows in (4, 3):
        for name in ("output", "images"):
            both = torch.cat([first[f"{rows} {name}"], second[f"{rows} {name}"]])
            torch.testing.assert_close(both, expected[name])
        for name in ("weight", "bias"):  # each process holds its rows' part; DDP brings them together
            torch.testing.assert_close(first[f"{rows} {name}"] + second[f"{rows} {name}"], expected[name])
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            torch.testing.assert_close(first[f"{rows} {name}"], expected[name])
            assert torch.equal(first[f"{rows} {name}"], second[f"{rows} {name}"])


@pytest.mark.slow
def test_each_loss_and_its_gradient_over_two_processes_are_those_of_the_whole_batch(tmp_path: Path):
    for found in in_two_processes(gradients_of_all_losses, tmp_path):
        assert len(found) == 2 * len(LOSSES)
        assert {name: difference.item() for name, difference in found.items() if difference > 1e-9} == {}


def test_a_shared_network_keeps_its_names_and_its_parameters():
    network = sinet_after(synchronise_batch_norms)
    kinds = {type(module) for module in network.modules() if isinstance(module, nn.BatchNorm2d)}
    assert kinds == {SynchronisedBatchNorm2d}


@pytest.mark.parametrize(("images", "processes"), [(15, 2), (24, 5)])
def test_a_batch_that_cannot_be_dealt_out_evenly_is_refused(images: int, processes: int):
    check_shares(images * processes, processes)
    with pytest.raises(UserError, match=f"a multiple of {processes} images.*, found {images}; "):
        check_shares(images, processes)


def test_a_norm_that_cannot_be_shared_is_named():
    with pytest.raises(UserError, match=r"expected norms of type BatchNorm2d.*, found BatchNorm1d\(3.*--devices 1"):
        synchronise_batch_norms(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))


def test_devices_must_be_as_many_as_were_started(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    with pytest.raises(UserError, match="expected --devices 3, as many as processes were started, found 2"):
        open_fabric("cpu", 2, "fp32")


def command(manifest: Manifest, output: Path, *arguments: str) -> list[str]:
    return ["-m", "trainer.fit", "--manifest", str(manifest.path), "--output", str(output), *QUICK, *arguments]


def in_the_shell(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=ROOT, check=False, timeout=TIMEOUT_SECONDS
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [
        [],
        [
            *("--loss", "lovasz", "--class-weights", "--encoder-epochs", "1", "--encoder-batch-size", "12"),
            *("--distill-live", "starter", "--distill-loss", "bpkd", "--consistency", "2", "--connectivity", "0.1"),
        ],
    ],
    ids=["default", "lovasz with class weights after an encoder stage, live teacher and two views"],
)
def test_two_processes_train_as_one_does(manifest: Manifest, tmp_path: Path, recipe: list[str]):
    one, two = tmp_path / "one", tmp_path / "two"
    fit.main(command(manifest, one, *recipe, *SLOWLY)[2:])
    done = in_the_shell(command(manifest, two, *recipe, *SLOWLY, "--devices", "2"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == str(two / "best.safetensors")
    ours, theirs = read_log(two), read_log(one)
    assert [(line["stage"], line["epoch"]) for line in ours] == [(line["stage"], line["epoch"]) for line in theirs]
    losses = [float(line["loss"]) for line in ours]
    assert losses == pytest.approx([float(line["loss"]) for line in theirs], rel=1e-4)
    assert (two / "best.json").exists()
    assert_same_state(two, one)


def assert_same_state(ours: Path, theirs: Path) -> None:
    """Of two runs over the same batches: names, weights, averages of the weights, and Adam's of the gradients."""
    found, expected = (read_tensors(output / "resume.safetensors", kind="resume state")[0] for output in (ours, theirs))
    assert found.keys() == expected.keys()
    for owner in ("model.", "average."):
        for name in (name for name in found if name.startswith(owner)):
            torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-4, msg=name)
    momenta = [name for name in found if name.endswith("exp_avg")]
    difference = torch.cat([(found[name] - expected[name]).flatten() for name in momenta])
    # In fp32 they drift apart by 1.4 % in these few steps; gradients of the wrong size or of half a batch are far off.
    assert difference.norm() < 5e-2 * torch.cat([expected[name].flatten() for name in momenta]).norm()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weight", "selfies=2"], "expected --weight for sources out of portraits, found selfies"),
        (["--learning-rate", "1e30"], "expected a finite loss"),
    ],
)
def test_an_error_of_two_processes_is_one_line(manifest: Manifest, tmp_path: Path, arguments: list[str], message: str):
    done = in_the_shell(command(manifest, tmp_path / "run", "--devices", "2", *arguments))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_killed_run_of_two_processes_resumes_to_the_same_weights(manifest: Manifest, tmp_path: Path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    many_epochs = ["--devices", "2", "--epochs", "2"]
    words = [sys.executable, *command(manifest, killed, *many_epochs)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        while not (killed / "resume.safetensors").exists() and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    resumed = in_the_shell(command(manifest, killed, *many_epochs))
    assert f"resuming {killed} after epoch" in resumed.stdout
    in_the_shell(command(manifest, whole, *many_epochs))
    digests = [json.loads((output / "last.json").read_text())["weights_sha256"] for output in (killed, whole)]
    assert digests[0] == digests[1]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the second process in /proc")
def test_a_process_that_is_killed_ends_the_others_with_one_line(manifest: Manifest, tmp_path: Path):
    output = tmp_path / "run"
    words = [sys.executable, *command(manifest, output, "--devices", "2", "--epochs", "300")]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        while not (output / "resume.safetensors").exists() and process.poll() is None:
            time.sleep(0.01)
        [second] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(second), signal.SIGKILL)
        _, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode in (1, -signal.SIGKILL)  # Fabric looks every five seconds and kills who is still leaving
    assert re.fullmatch(r"error: expected all processes to continue, .* the same command resumes the run\n", stderr)


@pytest.mark.slow
def test_processes_of_torchrun_train_together(manifest: Manifest, tmp_path: Path):
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = in_the_shell([*torchrun, *command(manifest, tmp_path / "run", "--epochs", "1")])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("epoch 1/1") for line in lines) == 1
    assert lines[-1] == str(tmp_path / "run/best.safetensors")


@pytest.mark.slow
def test_an_error_of_processes_of_torchrun_is_told_once(manifest: Manifest, tmp_path: Path):
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = in_the_shell([*torchrun, *command(manifest, tmp_path / "run", "--manifest", str(tmp_path / "v9.parquet"))])
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] == [
        line for line in done.stderr.splitlines() if "expected a manifest at" in line
    ]
    assert done.stderr.count("expected a manifest at") == 1
