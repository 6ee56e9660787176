"""What trainer.fit runs on, a Lightning Fabric: the CPU, a GPU, or one process on each of several devices.

Fabric starts the processes of `--devices N` itself; those of torchrun and `fabric run` find each other. The first
process alone writes, measures and speaks, and tells the others what came of it.
"""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Literal, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from manifests.errors import UserError
from trainer.device import pick_device

T = TypeVar("T")

_LOST_PEER = re.compile(r"Connection (closed|reset) by peer|Broken pipe")

FabricPrecision = Literal["32-true", "bf16-mixed"]

PRECISIONS: dict[str, FabricPrecision] = {"fp32": "32-true", "bf16": "bf16-mixed"}  # weights are fp32 in both


def open_fabric(device_name: str, devices: int | None, precision: str) -> Fabric:
    """`--device`, `--devices` and `--precision` as a Fabric; UserError when this machine has none such.

    None devices are as many as torchrun or `fabric run` started here, else one. The others start with `launch`.
    """
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it greets and names the precision
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
    except ValueError as error:  # `fabric run` was given something else than this command
        raise UserError(str(error)) from error


def launch(fabric: Fabric) -> None:
    """From here on every process runs what follows."""
    if "LT_CLI_USED" not in os.environ:  # set by `fabric run`, for which opening a Fabric is launching it
        fabric.launch()


def on_first(fabric: Fabric, work: Callable[[], T]) -> T:
    """What `work` gives in the first process, in all of them. An error there ends the others in silence."""
    if fabric.world_size == 1:
        return work()
    result: T | None = None
    error: Exception | None = None
    if fabric.is_global_zero:
        try:
            result = work()
        except Exception as raised:  # whatever it is, the others are waiting
            error = raised
    result, failed = fabric.broadcast((result, error is not None))
    if error is not None:
        raise error
    if failed:
        _leave()
    return result  # type: ignore[return-value]  # None only where `work` gives None


def first_then_others(fabric: Fabric, work: Callable[[], T]) -> T:
    """`work` in every process; the others find done what the first one left in files."""
    results: list[T] = []
    on_first(fabric, lambda: results.append(work()))
    return results[0] if results else work()


@contextmanager
def one_voice() -> Iterator[None]:
    """Around all that a process does: what every process says or complains of is heard once.

    The first one of all prints; of an error that all meet the first one on each machine tells.
    """
    with Path(os.devnull).open("w") as nowhere:
        try:
            with redirect_stdout(sys.stdout if _number("RANK", "LOCAL_RANK") == 0 else nowhere), _lost_peer_as_error():
                yield
        except (UserError, KeyboardInterrupt):
            if _number("LOCAL_RANK") == 0:
                raise
            _leave()


@contextmanager
def _lost_peer_as_error() -> Iterator[None]:
    """gloo has no exception of its own for a process that went away: killed, or out of memory."""
    try:
        yield
    except RuntimeError as error:
        if not _LOST_PEER.search(str(error)):
            raise
        raise UserError(
            "expected all processes to go on, found the connection to one of them closed; was it killed, or out of "
            "memory? the same command resumes the run"
        ) from error


def _leave() -> None:
    """With status 0: Fabric and torchrun kill the first process when another one fails before it has spoken."""
    sys.exit(0)


def _number(*names: str) -> int:
    """The first of these environment variables that is set, else 0: they hold a process's number."""
    return int(next((os.environ[name] for name in names if name in os.environ), "0"))
