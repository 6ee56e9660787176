"""What a network costs before it is timed: parameters, multiply-accumulates, bytes, graph nodes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from trainer.data.preprocessing import imagenet
from trainer.export.deployable import deployable
from trainer.export.onnx_graph import write_onnx
from trainer.export.onnx_prelu import rewrite_prelus
from trainer.inference.runtimes.metadata import Metadata
from trainer.models import create_model
from trainer.weights.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint
from trainer.weights.checkpoint_files import LICENCE_NOT_STATED

_NO_DIGEST = "0" * 64


@dataclass(frozen=True, slots=True)
class Costs:
    """`conv_macs` are the paper's "FLOPs": convolutions only. `flops` are 2 x all multiply-accumulates."""

    parameters: int
    conv_macs: int
    flops: int
    checkpoint_bytes: int
    onnx_nodes: int


def fresh_checkpoint(name: str, side_px: int) -> Checkpoint:
    """The network with fresh weights from seed 0, as a checkpoint."""
    torch.manual_seed(0)
    info = CheckpointInfo(name, imagenet(side_px), 0, 0.0, None, manifest_version=0, manifest_digest=_NO_DIGEST)
    return Checkpoint(create_model(name).eval(), info, _NO_DIGEST)


def costs(checkpoint: Checkpoint, directory: Path, *, side_px: int) -> tuple[Costs, Path]:
    """Its costs on one image of side_px x side_px, and the ONNX file that trainer.export writes of it.

    `onnx_nodes` are those of the graph that all runtimes' files are made from, before PReLUs are rewritten for ONNX
    Runtime. The files go into `directory`.
    """
    saved, graph, exported = (directory / name for name in ("checkpoint.safetensors", "graph.onnx", "network.onnx"))
    save_checkpoint(saved, checkpoint.model, checkpoint.info)
    name = checkpoint.info.model
    write_onnx(
        deployable(checkpoint),
        graph,
        Metadata.of(checkpoint, name=name, input_px=side_px, licence=LICENCE_NOT_STATED),
    )
    rewrite_prelus(graph, exported)
    counted = Costs(
        parameters=count_parameters(checkpoint.model),
        conv_macs=conv_macs(checkpoint.model, (side_px, side_px)),
        flops=flops(checkpoint.model, (side_px, side_px)),
        checkpoint_bytes=saved.stat().st_size,
        onnx_nodes=len(onnx.load(graph).graph.node),
    )
    return counted, exported


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def conv_macs(network: nn.Module, height_width: tuple[int, int]) -> int:
    """Multiply-accumulates of the convolutions, transposed ones left out, on one image (H, W) in px."""
    counts: list[int] = []

    def count(module: nn.Module, _inputs: object, output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        counts.append(output.numel() * module.weight[0].numel())

    hooks = [module.register_forward_hook(count) for module in network.modules() if type(module) is nn.Conv2d]
    with _on_one_image(network, height_width) as image:
        network(image)
    for hook in hooks:
        hook.remove()
    return sum(counts)


def flops(network: nn.Module, height_width: tuple[int, int]) -> int:
    """2 x the multiply-accumulates of convolutions, transposed ones included, matrix products and attention."""
    with _on_one_image(network, height_width) as image, FlopCounterMode(display=False) as counter:
        network(image)
    return int(counter.get_total_flops())


@contextmanager
def _on_one_image(network: nn.Module, height_width: tuple[int, int]) -> Iterator[Tensor]:
    """A blank image (1, 3, H, W) on the device of `network`, which is in evaluation mode meanwhile."""
    was_training = network.training
    network.eval()
    with torch.no_grad():
        yield torch.zeros(1, 3, *height_width, device=next(network.parameters()).device)
    network.train(was_training)
