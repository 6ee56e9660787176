"""`trainer.bench latency`: each checkpoint at its own size."""

import re
from pathlib import Path

import pytest

from trainer.bench import __main__ as bench
from trainer.data.preprocessing import imagenet
from trainer.models import create_model
from trainer.weights.checkpoint import CheckpointInfo, save_checkpoint


@pytest.mark.slow
def test_each_checkpoint_is_timed_at_the_size_that_it_was_fitted_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for side_px in (32, 64):
        info = CheckpointInfo("sinet", imagenet(side_px), 1, 0.5, None, manifest_version=1, manifest_digest="0" * 64)
        save_checkpoint(tmp_path / f"of{side_px}.safetensors", create_model("sinet"), info)
    paths = [str(tmp_path / f"of{side_px}.safetensors") for side_px in (64, 32)]
    bench.main(["latency", "--checkpoint", *paths, "--seconds", "0"])
    out = capsys.readouterr().out
    for side_px in (32, 64):
        for threads in ("1 thread", "2 threads"):
            assert re.search(rf"^{side_px} px, batch 1, {threads}\n  of{side_px}, PyTorch", out, re.MULTILINE)
    assert re.search(r"^32 px: of32 1\.3 M MACs", out, re.MULTILINE)  # 63.9 M of 224 px, by the area
