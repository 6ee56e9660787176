"""The paper's tables 1, 4, 5 and 6 rerun: counts, pages, commands."""

import re
from pathlib import Path

import pytest
import torch
from portrait_datasets import import_portraits

from trainer.bench import __main__ as bench
from trainer.bench.tables import table1, table4, table5, table6
from trainer.bench.tables.accuracy import Accuracy, Difference, Finding

QUICK = "--batch-size 16 --device cpu --no-compile"


def record(arm: str, degrees: int, metric: str, points: str = "") -> dict[str, str]:
    """A line of trainer.compare's table.csv; its mean encodes the rotation."""
    return {
        "arm": arm, "rotation_degrees": str(degrees), "metric": metric, "mean": f"0.9{degrees:02}",
        "difference_points": points, "low_points": points and "-3", "high_points": points and "1.5",
    }  # fmt: skip


@pytest.mark.parametrize("rate", table1.RATES)
def test_every_dilation_keeps_size_and_parameters(rate: int):
    module = table1.separable(rate)
    assert module(torch.zeros(1, 128, 40, 40)).shape == (1, 128, 40, 40)
    assert sum(p.numel() for p in module.parameters()) == 128 * 9 + 128 * 128


def test_table_1_has_ratios_to_no_dilation():
    page = table1.markdown({rate: {"PyTorch": 2.0 * rate, "ONNX Runtime": 1.0} for rate in table1.RATES})
    assert re.search(r"\| 12 +\| +24\.00 \| +12\.00x \| +1\.00 \| +1\.00x \| +11\.84 \|", page)
    assert re.search(r"\| 1 +\| +2\.00 \| +1\.00x \| +1\.00 \| +1\.00x \| +- \|", page)


def test_table_4_reads_the_papers_metric_by_gate_and_rotation():
    records = [
        record(gate, degrees, metric, points="" if gate == "ib" else "-1.25")
        for gate in table4.ARMS
        for degrees in (0, *table4.ROTATIONS_DEGREES)
        for metric in ("miou", "person_iou_per_image")
    ]
    findings = table4.findings_of(records)
    assert len(findings) == 4 * 5
    assert findings["ib", 25] == Finding(0.925, None)
    assert findings["gau", 90] == Finding(0.990, Difference(-1.25, -3, 1.5))
    page = table4.markdown(findings, "fitted somehow")
    assert re.search(r"\| `ib` +\| +90\.00 \(94\.81\) \| +92\.50 \(88\.62\) ", page)
    assert page.count("-1.25 [-3.00, +1.50]") == 3 * 5


def test_table_5_has_the_accuracies_only_when_fitted():
    rows = [table5.Row("k3p1", 81_918, 70_400_000, 9.0)]
    unfitted = table5.markdown(rows, {}, size_px=224, fitted=None)
    assert re.search(r"\| `k3p1` +\| +81,918 \| +0\.0704 \| +9\.0 \| +93\.40 \| +0\.874 \|\n", unfitted)
    measured = Accuracy(6, dict.fromkeys(table5.NAMES, 0.5), dict.fromkeys(table5.NAMES, (0.25, 0.75)))
    page = table5.markdown(rows, {"k3p1": measured}, size_px=224, fitted="fitted somehow")
    assert page.count("0.5000 [0.2500, 0.7500]") == 3
    assert "- Accuracy: fitted somehow." in page


@pytest.fixture(scope="module")
def cityscapes() -> dict[str, table6.Row]:
    return {row.model: row for row in table6.count()}


@pytest.mark.parametrize("model", table6.PAPER)
def test_the_counts_of_cityscapes_are_the_published_ones(model: str, cityscapes: dict[str, table6.Row]):
    row = cityscapes[model]
    paper = table6.PAPER[row.model]
    torchvisions = 0.05 if row.model == "lraspp_mobilenetv3_small" else 0.0
    assert row.parameters / 1e6 == pytest.approx(paper.parameters_m, abs=0.0055 + torchvisions)
    for macs, published in ((row.full_macs, paper.full_g), (row.half_macs, paper.half_g)):
        assert published is None or macs / 1e9 == pytest.approx(published, rel=0.03)


def test_table_6_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bench.main(["table6", "--output", str(tmp_path)])
    *page, path = capsys.readouterr().out.splitlines()
    assert path == str(tmp_path / "table6.md")
    assert "\n".join(page).strip() == (tmp_path / "table6.md").read_text().strip()
    assert re.search(r"\| `sinet_cityscapes` +\| +119,902 \| +0\.12 \| +1\.206 \| +1\.2 \|", "\n".join(page))


@pytest.mark.slow
def test_tables_1_and_5_are_printed(capsys: pytest.CaptureFixture[str]):
    bench.main(["table1", "--seconds", "0"])
    bench.main(["table5", "--seconds", "0"])
    out = capsys.readouterr().out
    assert len(re.findall(r"^\| \d+ ", out, re.MULTILINE)) == len(table1.RATES)
    assert re.search(r"\| `k5p4` +\| +95,742 \| +0\.0298 ", out)


@pytest.mark.slow
def test_table_4_fits_the_gates_and_turns_the_images(
    portraits: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    manifest = import_portraits(tmp_path / "dataset", portraits, 48)
    bench.main([
        *("table4", "--fit", "1", "--manifest", str(manifest.path), "--output", str(tmp_path / "out")),
        *("--recipe", QUICK, "--size", "32"),
    ])  # fmt: skip
    out = capfd.readouterr().out
    rows = re.findall(r"^\| `(\w+)` +\|(?: +\d+\.\d\d \(\d\d\.\d\d\) \|){5}$", out, re.MULTILINE)
    assert rows == ["ib", "reverse", "none", "gau"]
    assert len(list((tmp_path / "out/table4-fits").glob("*/seed0/best.safetensors"))) == 4
