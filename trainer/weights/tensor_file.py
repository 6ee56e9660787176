"""Named tensors and one JSON header in one safetensors file, written whole or not at all.

The header lies in the file's own metadata, so that a killed process can't leave two files that contradict each other.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.files.json_text import parse_json

FORMAT_VERSION = 1

_HEADER_KEY = "maskfoundry"
_LETTERS_SHOWN = 80  # of a value in a third-party header


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any], *, kind: str) -> bytes:
    """Write `path`, replacing an older file in one step; return the bytes. `kind` is the file's type."""
    stamped = {"kind": kind, "format_version": FORMAT_VERSION, **header}
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data: bytes = safetensors.torch.save(flat, metadata={_HEADER_KEY: json.dumps(stamped)})
    write_replace(path, data)
    return data


def read_tensors(path: Path, *, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors on the CPU, and the header; UserError when `path` is missing, is of another kind, or is newer."""
    if not path.is_file():
        raise UserError(f"expected a {kind} at {path}, found no file; fit one with python -m trainer.fit")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except SafetensorError as error:
        raise UserError(f"expected a safetensors file at {path}, found another or a damaged one") from error
    try:
        header = parse_json(metadata.get(_HEADER_KEY, "{}"))
    except ValueError as error:
        raise UserError(f"expected a {kind} of trainer.fit at {path}, found a damaged header ({error})") from error
    found = header.get("kind", "other tensors") if isinstance(header, dict) else "another header"
    if found != kind:
        raise UserError(f"expected a {kind} of trainer.fit at {path}, found {str(found)[:_LETTERS_SHOWN]}")
    format_version = header.get("format_version")
    if not isinstance(format_version, int):
        raise UserError(f"expected a {kind} of trainer.fit at {path}, found one without a format version")
    if format_version > FORMAT_VERSION:
        raise UserError(
            f"expected format version {FORMAT_VERSION} or older in {path}, found {format_version}; update this program"
        )
    return tensors, header


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values, in hex; the order and the device don't matter."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
