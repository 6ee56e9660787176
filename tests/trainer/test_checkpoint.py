"""Checkpoints rebuild their own model, and say clearly when they can't."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch

from manifests.errors import UserError
from manifests.files.atomic import TEMPORARY_PREFIX
from manifests.files.blobs import sha256_hex
from manifests.pixels.metrics import Metrics
from trainer.data.preprocessing import sinet_authors
from trainer.models import create_model
from trainer.weights.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from trainer.weights.checkpoint_files import BEST
from trainer.weights.tensor_file import digest_of, write_tensors

INFO = CheckpointInfo(
    model="sinet",
    preprocessing=sinet_authors(),
    epoch=3,
    loss=0.25,
    metrics=Metrics(n=2, miou=0.9, person_iou_per_image=0.8, boundary_f1=0.7),
    manifest_version=4,
    manifest_digest="ab" * 32,
    arguments={"classes": 2},
)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / BEST, create_model("sinet"), INFO)
    return tmp_path / BEST


def test_a_checkpoint_gives_back_its_information(saved: Path):
    assert load_checkpoint(saved).info == INFO


def test_a_runs_directory_stands_for_its_best_checkpoint(saved: Path):
    assert load_checkpoint(saved.parent).weights_sha256 == load_checkpoint(saved).weights_sha256


def test_the_json_beside_it_holds_the_information_and_the_files_digest(saved: Path):
    readable = json.loads(saved.with_suffix(".json").read_text())
    expected = json.loads(json.dumps(dataclasses.asdict(INFO)))  # tuples become lists
    assert readable.items() >= expected.items()
    assert readable["file_sha256"] == sha256_hex(saved.read_bytes())


def test_the_digest_is_of_the_weights_whatever_their_layout(saved: Path):
    checkpoint = load_checkpoint(saved)
    relaid = checkpoint.model.to(memory_format=torch.channels_last)
    assert digest_of(relaid.state_dict()) == checkpoint.weights_sha256


def test_a_write_killed_halfway_leaves_the_previous_checkpoint(saved: Path):
    before = load_checkpoint(saved).weights_sha256
    (saved.parent / f"{TEMPORARY_PREFIX}killed-{BEST}").write_bytes(saved.read_bytes()[:1000])
    saved.with_suffix(".json").unlink()  # written second
    assert load_checkpoint(saved).weights_sha256 == before


def test_a_missing_checkpoint_is_one_clear_line(tmp_path: Path):
    with pytest.raises(UserError, match=r"expected a checkpoint at .*best.safetensors, found no file"):
        load_checkpoint(tmp_path)


def test_a_file_of_another_format_is_refused(tmp_path: Path):
    (tmp_path / BEST).write_bytes(b"PK\x03\x04 a pickle in a zip")
    with pytest.raises(UserError, match="expected a safetensors file"):
        load_checkpoint(tmp_path)


def test_safetensors_of_another_program_are_refused(tmp_path: Path):
    safetensors.torch.save_file({"weight": torch.ones(1)}, tmp_path / BEST)
    with pytest.raises(UserError, match=r"expected a checkpoint of trainer\.fit"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_of_a_newer_format_asks_for_a_newer_program(tmp_path: Path):
    write_tensors(tmp_path / BEST, {"weight": torch.ones(1)}, {"format_version": 99}, kind="checkpoint")
    with pytest.raises(UserError, match=r"format version 1 or older .* found 99; update this program"):
        load_checkpoint(tmp_path)


def test_missing_left_over_and_misshapen_tensors_are_named(saved: Path):
    weights = create_model("sinet").state_dict()
    weights["norm2.extra"] = weights.pop("norm2.bias")
    weights["norm4.weight"] = torch.ones(3)
    header = {**dataclasses.asdict(INFO), "weights_sha256": digest_of(weights)}
    write_tensors(saved, weights, header, kind="checkpoint")
    with pytest.raises(UserError) as caught:
        load_checkpoint(saved)
    for problem in ("missing: norm2.bias", "unexpected: norm2.extra", "of another shape: norm4.weight"):
        assert problem in str(caught.value)


def test_altered_weights_are_refused(saved: Path):
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    with pytest.raises(UserError, match="found altered ones"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    "changes",
    [
        {"format_version": "1"},
        {"model": 3},
        {"arguments": []},
        {"arguments": {"classes": "two"}},
        {"arguments": {"branches": {}}},
        {"preprocessing": {"size_px": 64}},
        {"preprocessing": {**dataclasses.asdict(INFO.preprocessing), "size_px": 2**31}},
        {"preprocessing": {**dataclasses.asdict(INFO.preprocessing), "mean": ["a", "b", "c"]}},
        {"preprocessing": {**dataclasses.asdict(INFO.preprocessing), "std": [0, 1, 1]}},
        {"preprocessing": {**dataclasses.asdict(INFO.preprocessing), "divisor": float("nan")}},
        {"metrics": {"n": 2}},
        {"metrics": {**dataclasses.asdict(INFO), "miou": "high"}},
        {"weights_sha256": None},
    ],
)
def test_a_header_that_no_release_writes_is_one_clear_line(tmp_path: Path, changes: dict[str, object]):
    weights = create_model("sinet").state_dict()
    header = {**dataclasses.asdict(INFO), "weights_sha256": digest_of(weights), **changes}
    stamped = {"kind": "checkpoint", "format_version": 1, **header}
    (tmp_path / BEST).write_bytes(safetensors.torch.save(weights, metadata={"maskfoundry": json.dumps(stamped)}))
    with pytest.raises(UserError, match=r"^expected "):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{", "[" * 100_000])
def test_a_header_that_is_no_object_is_one_clear_line(tmp_path: Path, text: str):
    (tmp_path / BEST).write_bytes(safetensors.torch.save({}, metadata={"maskfoundry": text}))
    with pytest.raises(UserError, match="expected a checkpoint of "):
        load_checkpoint(tmp_path)


def test_a_header_makes_nothing_fetch_pretrained_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    name = "deeplabv3plus_mobilenetv2_050"
    info = dataclasses.replace(INFO, model=name, arguments={"encoder_weights": "imagenet"})
    save_checkpoint(tmp_path / BEST, create_model(name), info)
    monkeypatch.setattr("timm.create_model", _refuse_pretrained(timm.create_model))
    assert load_checkpoint(tmp_path).info == info


def _refuse_pretrained(create: Callable[..., torch.nn.Module]) -> Callable[..., torch.nn.Module]:
    def checked(*names: str, pretrained: bool = False, **options: Any) -> torch.nn.Module:
        assert not pretrained
        return create(*names, pretrained=False, **options)

    return checked
