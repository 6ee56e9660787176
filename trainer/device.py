"""`--device`: auto is a CUDA GPU where there is one, else the CPU."""

import torch

from manifests.errors import UserError


def pick_device(name: str) -> torch.device:
    """The device called `name` (auto, cpu, cuda, cuda:1); UserError when this machine doesn't have it."""
    has_cuda = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if has_cuda else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"expected --device auto, cpu, cuda or cuda:N, found {name!r}") from error
    gpus = torch.cuda.device_count() if has_cuda else 0
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"expected --device auto, cpu, cuda or cuda:N, found {name!r}")
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise UserError(f"expected a CUDA GPU for --device {name}, found {gpus} of them; use --device cpu")
    return device
