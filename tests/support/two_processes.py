"""What each of two processes of one group computes; a child imports this module by its name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from trainer.data.rank_slice import RankSlice
from trainer.fit.gathered_loss import WholeBatch, gather_rows
from trainer.fit.losses import LOSSES, segmentation_loss
from trainer.models import create_model
from trainer.models.sync_batch_norm import SynchronisedBatchNorm2d, synchronise_batch_norms

Work = Callable[[int], dict[str, Tensor]]


def in_two_processes(work: Work, directory: Path) -> list[dict[str, Tensor]]:
    """What `work`, a function of this module, returns in process 0 and in process 1 of a group."""
    torch.multiprocessing.spawn(join_group, (work, directory), nprocs=2)
    return [torch.load(directory / f"{rank}.pt") for rank in range(2)]


def join_group(rank: int, work: Work, directory: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{directory}/meeting", rank=rank, world_size=2)
    torch.save(work(rank), directory / f"{rank}.pt")
    dist.destroy_process_group()


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def measured(norm: nn.BatchNorm2d, images: Tensor, upper_gradient: Tensor) -> dict[str, Tensor]:
    """A step through a norm of fixed weights: its output, its gradients, its statistics."""
    with torch.no_grad():
        norm.weight.copy_(numbers(4, seed=3))
        norm.bias.copy_(numbers(4, seed=4))
    images = images.clone().requires_grad_()
    output = norm(images)
    output.backward(upper_gradient)
    assert images.grad is not None
    gradients = {name: parameter.grad for name, parameter in norm.named_parameters() if parameter.grad is not None}
    buffers = dict(norm.named_buffers())
    return {"output": output.detach(), "images": images.grad, **gradients, **buffers}


def batch_of_a_norm() -> tuple[Tensor, Tensor]:
    return 100 + numbers(8, 4, 5, 6, seed=1), numbers(8, 4, 5, 6, seed=2)


def steps_through_a_norm(rank: int) -> dict[str, Tensor]:
    """Once with shares of 4 and 4 rows, once with 3 and 5."""
    found = {}
    for rows_of_first in (4, 3):
        images, upper = (whole.tensor_split([rows_of_first])[rank] for whole in batch_of_a_norm())
        entries = measured(SynchronisedBatchNorm2d(4).double(), images, upper)
        found |= {f"{rows_of_first} {name}": tensor for name, tensor in entries.items()}
    return found


def gradients_of_all_losses(rank: int) -> dict[str, Tensor]:
    """By loss and parameter: SINet's gradient of the whole batch, here with DDP minus there without."""
    images, labels = numbers(4, 3, 64, 64, seed=1), numbers(4, 64, 64, seed=2).cumsum(2).gt(0).double()
    rows = RankSlice(rank, 2).rows(4)
    found = {}
    for name, criterion in LOSSES.items():
        torch.manual_seed(0)
        alone = create_model("sinet").double().train()
        shared = create_model("sinet").double().train()
        shared.load_state_dict(alone.state_dict())
        synchronise_batch_norms(shared)
        choices: dict[str, Any] = {"criterion": criterion, "weights": (0.7, 1.3), "kernel_px": 5}
        network = WholeBatch(DistributedDataParallel(shared, static_graph=True))
        for _ in range(2):  # a static graph is learnt in the first step and used from the second on
            alone.zero_grad()
            network.zero_grad()
            loss = segmentation_loss(alone(images), labels, **choices)
            same_loss = segmentation_loss(network(images[rows]), gather_rows(labels[rows]), **choices)
            loss.backward()
            same_loss.backward()
        found[f"{name} loss"] = (loss - same_loss).detach().abs()
        theirs, ours = (
            torch.cat([parameter.grad.flatten() for parameter in model.parameters()]) for model in (alone, shared)
        )
        found[f"{name} gradient"] = (theirs - ours).norm() / theirs.norm()
    return found
