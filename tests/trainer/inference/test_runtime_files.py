"""Exported files whose metadata are hostile: each is refused in one line before its network runs."""

import json
from pathlib import Path
from typing import Any

import openvino
import pytest

from manifests.errors import UserError
from trainer.inference.runtimes.metadata import Metadata
from trainer.inference.runtimes.ncnn_file import NcnnFile
from trainer.inference.runtimes.openvino_file import METADATA, OpenvinoFile

DEEP = "[" * 100_000
SOUND = {"input_px": "64", "checkpoint": "c", "weights_sha256": "w", "model": "sinet", "manifest_version": "1",
         "manifest_digest": "d", "licence": "l", "code_version": "1"}  # fmt: skip
ODD: list[tuple[Any, str]] = [
    ([], "without input_px, checkpoint"),
    ("x", "without input_px, checkpoint"),
    ({**SOUND, "licence": None}, "without licence"),
    ({**SOUND, "model": ["sinet"]}, "without model"),
    ({**SOUND, "input_px": 64}, "without input_px"),
    ({**SOUND, "input_px": "²"}, "without input_px as a number"),
    ({**SOUND, "input_px": "9" * 5000}, "without input_px as a number"),
    ({**SOUND, "manifest_version": "one"}, "without manifest_version as a number"),
]


def ncnn_file(path: Path, described: str) -> Path:
    """The three files of a network; only the description is read."""
    for file in (path, path.with_suffix(".bin")):
        file.write_bytes(b"")
    path.with_suffix(".json").write_text(described)
    return path


def openvino_file(path: Path, described: str) -> Path:
    """A model that gives its input back, with the description inside."""
    image = openvino.opset13.parameter([1, 3, 4, 4], name="image")
    model = openvino.Model([openvino.opset13.relu(image)], [image], "any")
    model.set_rt_info(described, METADATA)
    openvino.save_model(model, path)
    return path


def test_sound_metadata_are_read() -> None:
    assert Metadata.from_strings(SOUND, Path("a")).as_strings().items() >= SOUND.items()


@pytest.mark.parametrize(("strings", "message"), ODD)
def test_metadata_that_no_export_writes_are_refused_by_name(strings: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"expected a file that trainer.export wrote at a.onnx, found one {message}"):
        Metadata.from_strings(strings, Path("a.onnx"))


@pytest.mark.parametrize(("described", "message"), [(DEEP, "it is nested too deeply"), ("\xff", "found: ")])
def test_an_ncnn_description_that_is_no_json_is_refused(tmp_path: Path, described: str, message: str) -> None:
    path = ncnn_file(tmp_path / "a.ncnn.param", described)
    with pytest.raises(UserError, match=rf"expected JSON in .*a.ncnn.json, .*{message}"):
        NcnnFile(path)


def test_an_ncnn_description_that_is_no_object_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a file that trainer.export wrote at .*a.ncnn.json, found one"):
        NcnnFile(ncnn_file(tmp_path / "a.ncnn.param", "[]"))


@pytest.mark.parametrize("described", [DEEP, "[]", json.dumps({**SOUND, "input_px": "x"})])
def test_openvino_metadata_that_no_export_writes_are_refused(tmp_path: Path, described: str) -> None:
    with pytest.raises(UserError, match=r"expected (an OpenVINO model|a file) that trainer.export wrote at .*a.xml"):
        OpenvinoFile(openvino_file(tmp_path / "a.xml", described))
