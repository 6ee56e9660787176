"""`trainer.bench latency`: each checkpoint at its own size."""

import re
from pathlib import Path

import pytest
from red_network import red_is_person

from trainer.bench import __main__ as bench
from trainer.data.preprocessing import imagenet
from trainer.models import create_model
from trainer.weights.checkpoint import CheckpointInfo, save_checkpoint


@pytest.mark.slow
def test_each_checkpoint_is_timed_at_the_size_that_it_was_fitted_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    runs = {tmp_path / "small": 32, tmp_path / "large": 64}
    for run, side_px in runs.items():
        run.mkdir()
        info = CheckpointInfo("sinet", imagenet(side_px), 1, 0.5, None, manifest_version=1, manifest_digest="0" * 64)
        save_checkpoint(run / "best.safetensors", create_model("sinet"), info)
    rival, checkpoints = red_is_person(tmp_path / "rival.onnx"), [str(run / "best.safetensors") for run in runs]
    bench.main(["latency", "--checkpoint", *checkpoints, "--rival", str(rival), "--seconds", "0"])
    tables = re.split(r"^(?=\d+ px, batch 1)", capsys.readouterr().out, flags=re.MULTILINE)[1:]
    assert [table.partition("\n")[0] for table in tables] == [
        *("32 px, batch 1, 1 thread", "32 px, batch 1, 2 threads"),
        *("64 px, batch 1, 1 thread", "64 px, batch 1, 2 threads"),
    ]
    for table in tables:
        assert all(f"{rival} (1x32x48x3), {runtime}" in table for runtime in ("ONNX Runtime", "OpenVINO"))
        timed = {run for run in runs if f"{run}/best.safetensors, ONNX Runtime" in table}
        assert timed == {run for run, side_px in runs.items() if table.startswith(f"{side_px} px")}
