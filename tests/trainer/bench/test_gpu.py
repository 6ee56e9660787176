"""`python -m trainer.bench.gpu` on the CPU, at a tiny size."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from trainer.bench import gpu
from trainer.bench.gpu import Training
from trainer.fit.options import SIZE_PX


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    images = torch.rand(2, 3, SIZE_PX, SIZE_PX, generator=torch.Generator().manual_seed(0)) * 255
    return images, (images[:, 0] > 128).float()


def weights(training: Training) -> Tensor:
    return torch.cat([each.detach().flatten().clone() for each in training._network.parameters()])


@pytest.mark.parametrize("options", [{}, {"bf16": True}, {"channels_last": False}])
def test_a_step_trains(batch: tuple[Tensor, Tensor], options: dict[str, bool]) -> None:
    training = Training(torch.device("cpu"), **options)
    before = weights(training)
    training.bare_step(batch)()
    assert not torch.equal(before, weights(training))


def test_the_bare_step_changes_what_the_fits_step_changes(batch: tuple[Tensor, Tensor]) -> None:
    changed = []
    for step_of in (lambda each: each.bare_step(batch), lambda each: each.fit_step(partial(next, iter([batch])))):
        torch.manual_seed(0)
        training = Training(torch.device("cpu"))
        step_of(training)()
        changed.append(weights(training))
    torch.testing.assert_close(changed[0], changed[1])


def test_a_graph_without_cuda_says_so(batch: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(RuntimeError, match="a CUDA graph needs a CUDA device, found cpu"):
        Training(torch.device("cpu")).graph(batch)


def test_a_run_measures_trainer_fit_and_names_all_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rates"
    gpu.main(["--device", "cpu", "--minutes", "0.001", "--batch-size", "2", "--figures", str(file)])
    first, *others = capsys.readouterr().out.splitlines()[1:]
    assert "trainer.fit's step, cache in host memory, batch 2: " in first
    assert "images/s" in first
    assert len(others) == 8
    assert len(file.read_text().splitlines()) == 9
