"""NAME.ncnn.param, .bin and .json: pnnx converts a trace of the deployable network; the JSON keeps the metadata.

ncnn has no uint8: `image` takes the pixels 0..255 as floats, as its `Mat.from_pixels` returns.
"""

import json
import re
import subprocess
import tempfile
from pathlib import Path

import torch

from manifests.errors import UserError
from trainer.export.deployable import Deployable
from trainer.export.onnx_graph import quiet
from trainer.inference.runtimes.metadata import INPUT, OUTPUT, Metadata
from trainer.inference.runtimes.packages import optional

PNNX_SECONDS = 300  # 1 for SINet


def write_ncnn(network: Deployable, path: Path, metadata: Metadata) -> None:
    """Write the three files; `path` is NAME.ncnn.param. UserError when ncnn lacks an operation of the network."""
    pnnx = optional("pnnx")
    side = metadata.input_px
    with tempfile.TemporaryDirectory() as directory, quiet():
        traced = Path(directory) / "network.pt"
        torch.jit.trace(network, torch.zeros(1, 3, side, side)).save(str(traced))
        command = [pnnx.EXEC_PATH, str(traced), f"inputshape=[1,3,{side},{side}]f32", "fp16=0"]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=PNNX_SECONDS)
        written = traced.with_suffix(".ncnn.param"), traced.with_suffix(".ncnn.bin")
        if done.returncode or not all(file.is_file() for file in written):
            raise UserError(_refusal(metadata, f"pnnx stopped with {done.returncode}"))
        text = written[0].read_text()
        foreign = sorted(set(re.findall(r"^(?:pnnx|aten|prim|F|torch|nn|Tensor)[.:]\S+", text, flags=re.MULTILINE)))
        if foreign:
            raise UserError(_refusal(metadata, f"ncnn has no {', '.join(foreign)}"))
        path.write_text(re.sub(r"\bin0\b", INPUT, re.sub(r"\bout0\b", OUTPUT, text)))
        path.with_suffix(".bin").write_bytes(written[1].read_bytes())
    path.with_suffix(".json").write_text(json.dumps(metadata.as_strings(), indent=2) + "\n")


def _refusal(metadata: Metadata, reason: str) -> str:
    return f"expected a network that ncnn can hold, found {metadata.model}: {reason}; leave ncnn out of --to"
