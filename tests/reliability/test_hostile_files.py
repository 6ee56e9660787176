"""Hostile files end as a sample, a quarantine row or one line; `make fuzz` reads more of them."""

from random import Random

import pytest
from hostile_files import mutate, mutate_json
from soak_scripts import output_of

WITHOUT_TORCH = "images,masks,annotations,versions,onnx"  # starts in two seconds


def assert_clear_ends(*options: str) -> None:
    printed = output_of("fuzz/files.py", *options)
    assert " sample" in printed  # some mutations do no harm
    assert " refused" in printed


def test_ten_hostile_files_have_a_clear_end() -> None:
    assert_clear_ends("--files", "10", "--kinds", WITHOUT_TORCH)


@pytest.mark.slow
def test_400_hostile_files_of_every_kind_have_a_clear_end() -> None:
    assert_clear_ends("--files", "400", "--seed", "7")


def test_a_seed_makes_the_same_files() -> None:
    data, content = bytes(range(256)) * 4, {"images": [{"id": 1, "file_name": "a.jpg"}]}
    first, second = (
        [mutate(data, [data], chosen) for _ in range(50)] + [mutate_json(content, chosen) for _ in range(50)]
        for chosen in (Random("3 images"), Random("3 images"))
    )
    assert first == second
    assert len(set(map(str, first))) > 50
