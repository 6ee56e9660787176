"""`python -m pipeline.bench.gpu` on the CPU, at a tiny size."""

from pathlib import Path

import pytest
import torch

from manifests.bench.rates import Rate
from manifests.errors import UserError
from pipeline.bench import gpu
from pipeline.bench.rate import untrained_teacher
from pipeline.bench.variants import make_variants
from pipeline.teachers.options import TeacherOptions


def rate(what: str, per_second: float | None) -> Rate:
    return Rate(what, "a CPU", "2026-11-30", 3, per_second, per_second, per_second)


def test_every_picture_passes_each_part_and_a_part_that_needs_cuda_says_so(tmp_path: Path) -> None:
    device = torch.device("cpu")
    candidates = [
        *gpu.decode_candidates(make_variants(tmp_path, 1), device),
        *gpu.face_candidates(make_variants(tmp_path, 1), device, 1),
    ]
    for candidate in candidates:
        if candidate.what == "decode on the device":
            with pytest.raises(RuntimeError, match="needs CUDA, found cpu"):
                candidate.prepare()
        else:
            assert candidate.images == 1
            assert candidate.prepare()() is not None


def test_storing_is_measured_on_a_new_place_each_time(tmp_path: Path) -> None:
    pictures = make_variants(tmp_path, 1)
    _, store, whole = gpu.pipeline_candidates(pictures, torch.device("cpu"), 1, tmp_path / "stores")
    call = store.prepare()
    call()
    call()
    whole.prepare()()
    stores = [place for place in (tmp_path / "stores").iterdir() if any(place.rglob("*.png"))]
    assert len(stores) == 3


def test_shares_are_of_the_parts_one_after_the_other() -> None:
    rates = [rate(gpu.DECODE, 100), rate(gpu.FACES, 10), rate(f"{gpu.TEACHER}, bf16", 2), rate(gpu.STORE, 100)]
    assert {part: round(share, 3) for part, share in gpu.shares([*rates, rate("the whole", 3)]).items()} == {
        gpu.DECODE: 0.016,
        gpu.FACES: 0.161,
        gpu.TEACHER: 0.806,
        gpu.STORE: 0.016,
    }
    assert gpu.shares([*rates[:3], rate(gpu.STORE, None)]) == {}


def test_the_untrained_teacher_takes_the_options() -> None:
    teacher = untrained_teacher(TeacherOptions(device="cpu", precision="bf16", batch_size=3, input_px=(64,)))
    assert (teacher.batch_size, teacher.settings) == (3, "64 px, class 0, bf16 on cpu")
    with pytest.raises(UserError, match="expected --device"):
        untrained_teacher(TeacherOptions(device="cuda:99"))
