"""Speed of the paper's network on one portrait: eager fp32 against faster settings, random weights."""

import copy
import statistics
import time
from collections.abc import Callable

import segmentation_models_pytorch as smp
import torch
from skimage import data
from torch import Tensor, nn

from pipeline.bench.lines import print_line, timed
from pipeline.teachers.network import use_bf16
from pipeline.teachers.options import DEFAULT_INPUT_PX
from pipeline.teachers.smp_weights import PAPER_CONFIG


def untrained_network() -> nn.Module:
    """Build the paper's DeepLabv3+ with random weights, which run as fast as fitted ones."""
    torch.manual_seed(0)
    network: nn.Module = smp.DeepLabV3Plus(PAPER_CONFIG["encoder_name"], encoder_weights=None, classes=1)
    return network


def report_precision(seconds: float) -> None:
    """Print milliseconds on one portrait of DEFAULT_INPUT_PX, one thread; random weights: many pixels near 0.5."""
    network = untrained_network().eval()
    rgb = torch.tensor(data.astronaut()).permute(2, 0, 1)[None].float() / 255  # (1, 3, 512, 512)
    last = copy.deepcopy(network).to(memory_format=torch.channels_last)
    images = rgb.contiguous(memory_format=torch.channels_last)
    ways: dict[str, Callable[[], Tensor]] = {
        "eager fp32, contiguous (baseline)": lambda: network(rgb),
        "channels_last": lambda: last(images),
        "bf16 + channels_last": lambda: _in_bf16(last, images),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode():
        masks = {name: way() >= 0 for name, way in ways.items()}  # warm-up
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times["channels_last"]) < 3:
            for name, way in ways.items():
                times[name].append(timed(way)[0])
    baseline, *_ = times
    fast = "" if use_bf16("auto", torch.device("cpu")) else ", which this CPU has no instructions for"
    print(f"DeepLabv3+ SE-ResNeXt-50, {DEFAULT_INPUT_PX} px, batch 1, 1 thread; bf16{fast}")
    for name, turns in times.items():
        median, equal = statistics.median(turns), (masks[name] == masks[baseline]).float().mean().item()
        print_line(name, median * 1000, "ms", statistics.median(times[baseline]) / median, f"{equal:.2%} equal pixels")


def _in_bf16(network: nn.Module, images: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        logits: Tensor = network(images)
    return logits
