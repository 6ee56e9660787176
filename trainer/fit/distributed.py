"""The Lightning Fabric that trainer.fit runs on: the CPU, a GPU, or one process on each of several devices.

Fabric starts the processes of `--devices N` itself; those of torchrun and `fabric run` find each other. Only
the first process writes, measures and prints; it sends the results to the others.
"""

import logging
import os
from collections.abc import Callable
from typing import Literal, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from manifests.errors import UserError
from trainer.device import pick_device
from trainer.fit.one_voice import leave
from trainer.fit.recipe import Recipe

T = TypeVar("T")


FabricPrecision = Literal["32-true", "bf16-mixed"]
PRECISIONS: dict[str, FabricPrecision] = {"fp32": "32-true", "bf16": "bf16-mixed"}  # weights are fp32 in both


def open_fabric(device_name: str, devices: int | None, precision: str) -> Fabric:
    """`--device`, `--devices` and `--precision` as a Fabric; UserError when this machine doesn't have it.

    `devices` None: as many as torchrun or `fabric run` started here, else one. `launch` starts the others.
    """
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # silences its greeting
    device = pick_device(device_name)
    started = int(os.environ.get("LOCAL_WORLD_SIZE", "0"))  # by torchrun or fabric run, on this machine
    if started and devices not in (None, started):
        raise UserError(f"expected --devices {started}, as many as processes were started, found {devices}")
    count = started or devices or 1
    processes = int(os.environ["WORLD_SIZE"]) if started else count
    if count > 1 and device.index is not None:
        raise UserError(f"expected --device auto, cpu or cuda for {count} devices, found {device_name}")
    gpus = torch.cuda.device_count()
    if device.type == "cuda" and count > gpus:
        raise UserError(f"expected at least {count} CUDA GPUs for --devices {count}, found {gpus}; use --device cpu")
    try:
        return Fabric(
            accelerator=device.type,
            strategy=DDPStrategy(static_graph=True) if processes > 1 else "auto",  # some networks have unused weights
            devices=count if device.index is None else [device.index],
            num_nodes=processes // count,
            precision=PRECISIONS[precision],
        )
    except ValueError as error:  # options of `fabric run` that contradict this command's
        raise UserError(str(error)) from error


def check_processes(recipe: Recipe, processes: int) -> None:
    """UserError for mixup, CutMix or the CRF loss in several processes, each with only its own rows of a batch."""
    uses = {
        "--mixup": (recipe.mixup, "mixes rows"),
        "--cutmix": (recipe.cutmix, "mixes rows"),
        "--crf": (recipe.crf, "reads the images"),
    }
    for option, (value, use) in uses.items():
        if processes > 1 and value:
            raise UserError(
                f"expected one process with {option}, which {use} of the whole batch, found {processes}; "
                "give --devices 1"
            )


def launch(fabric: Fabric) -> None:
    """Start the other processes; each runs the code after this call."""
    if "LT_CLI_USED" not in os.environ:  # set by `fabric run`, where opening a Fabric launches it
        fabric.launch()


def on_first(fabric: Fabric, work: Callable[[], T]) -> T:
    """Run `work` in the first process; return its result in all. An error there ends the others silently."""
    if fabric.world_size == 1:
        return work()
    result: T | None = None
    error: Exception | None = None
    if fabric.is_global_zero:
        try:
            result = work()
        except Exception as raised:  # of any kind: the others are waiting
            error = raised
    result, failed = fabric.broadcast((result, error is not None))
    if error is not None:
        raise error
    if failed:
        leave()
    return result  # type: ignore[return-value]  # None only where `work` returns None


def first_then_others(fabric: Fabric, work: Callable[[], T]) -> T:
    """Run `work` in the first process, then in the others, which reuse the files it wrote."""
    results: list[T] = []
    on_first(fabric, lambda: results.append(work()))
    return results[0] if results else work()
