"""Teachers measured against trusted masks, and doubt by the ROC curve."""

import json
from pathlib import Path

import pytest
from portrait_datasets import import_portraits
from red_network import red_is_person

from manifests.errors import UserError
from pipeline.bench.__main__ import main as bench
from pipeline.evaluate.__main__ import main as evaluate


def test_teachers_stand_in_one_table(tmp_path: Path, portraits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = import_portraits(tmp_path, portraits, 6)
    red = red_is_person(tmp_path / "red.onnx")
    evaluate(["--manifest", str(manifest.path), "--teacher", "grabcut", f"onnx:{red}", "--json"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["teacher", "images"]
    found = [json.loads(line) for line in lines if line.startswith("{")]
    assert [row["teacher"].partition("@")[0] for row in found] == ["grabcut", "red"]
    assert all(row["n"] == 6 for row in found)
    assert found[0]["person_iou_per_image"] > 0.6 > found[1]["person_iou_per_image"]
    assert all(0 <= row["bad_fraction"] <= 1 for row in found)


def test_a_split_without_rows_is_one_line(tmp_path: Path, portraits: Path) -> None:
    manifest = import_portraits(tmp_path, portraits, 1)
    other = next(name for name in ("train", "val") if manifest.read(["split"])["split"][0].as_py() != name)
    with pytest.raises(UserError, match=f"expected accepted rows in the {other} split"):
        evaluate(["--manifest", str(manifest.path), "--teacher", "grabcut", "--split", other])


@pytest.mark.slow
def test_the_bench_compares_the_pipeline_with_the_bare_loop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    red = red_is_person(tmp_path / "red.onnx")
    bench(["--seconds", "0", "--threads", "1", "--limit", "8", "--teacher", f"onnx:{red}", "--pipeline-alone"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("labelling with red@")
    assert [line.split("  ")[1] for line in lines[1:]] == [
        "decode -> teacher (baseline)",
        "the pipeline",
        "the pipeline, by the masks it makes",
    ]
    assert lines[1].endswith("1.00x")
