"""Table 3 of SINet rerun: each network's costs, speed and, when fitted, accuracy, beside the paper's row.

Its files: table3.csv, and table3.png, accuracy against multiply-accumulates and latency. Without fitted networks the
plot has the paper's accuracy against the costs measured here.
"""

import csv
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from manifests.pixels.metrics import MetricsAccumulator
from trainer.bench.tables.accuracy import Accuracy
from trainer.bench.tables.costs import Costs, costs, fresh_checkpoint
from trainer.bench.tables.markdown import table
from trainer.bench.tables.plot import MARK, Panel, Point, accuracy_plot, pareto_front
from trainer.bench.tables.published import DEVIATIONS, TABLE3, Published
from trainer.bench.tables.speed import THREADS, TRAINING_BATCH, Speed, speeds

CSV, PLOT = "table3.csv", "table3.png"
NAMES = MetricsAccumulator.NAMES
SCORE = "person_iou_per_image"  # of the plot and the front: what the paper calls mIOU


@dataclass(frozen=True, slots=True)
class Row:
    """One network: measured here, and in the paper where it has a row there."""

    model: str
    costs: Costs
    speed: Speed
    published: Published | None
    accuracy: Accuracy | None


def measure(
    models: Sequence[str], accuracies: Mapping[str, Accuracy], *, size_px: int, seconds: float, threads: int
) -> list[Row]:
    """Count, export and time every network on images of size_px x size_px, with fresh weights."""
    with tempfile.TemporaryDirectory() as directory:
        checkpoints = {model: fresh_checkpoint(model, size_px) for model in models}
        counted = {}
        for number, (model, checkpoint) in enumerate(checkpoints.items()):
            home = Path(directory) / str(number)
            home.mkdir()
            counted[model] = costs(checkpoint, home, side_px=size_px)
        networks = {model: checkpoint.model for model, checkpoint in checkpoints.items()}
        exports = {model: path for model, (_, path) in counted.items()}
        timed = speeds(networks, exports, side_px=size_px, seconds=seconds, threads=threads)
    return [Row(model, counted[model][0], timed[model], TABLE3.get(model), accuracies.get(model)) for model in models]


def files(rows: Sequence[Row], *, size_px: int) -> dict[str, bytes]:
    """The CSV and, when any row has a score, the plot, by name."""
    written = {CSV: csv_text(rows).encode()}
    drawn = panels(rows, size_px=size_px)
    if any(panel.points for panel in drawn):
        written[PLOT] = accuracy_plot(drawn, _score_label(rows))
    return written


def markdown(rows: Sequence[Row], *, size_px: int, threads: int, fitted: str | None) -> str:
    """The page: what was measured and how, three tables, footnotes, Pareto fronts. `fitted` describes the budget."""
    notes = footnotes(rows)
    numbers = {note: str(number) for number, note in enumerate(notes, start=1)}
    marks = [" ".join(f"[{numbers[note]}]" for note in DEVIATIONS.get(row.model, [])) for row in rows]
    named = [f"`{row.model}` {mark}".strip() for row, mark in zip(rows, marks, strict=True)]
    sections = [
        f"# Table 3 of SINet, rerun at {size_px} x {size_px}",
        "\n".join(_how(threads, fitted)),
        "## Costs",
        table(
            ["network", "parameters", "paper, M", "conv GMACs", "paper, G", "GFLOPs", "checkpoint, bytes", "nodes"],
            [[name, *_cost_cells(row)] for name, row in zip(named, rows, strict=True)],
        ),
        "## Speed",
        table(
            ["network", *(f"ms, {_threads(n)}" for n in THREADS), "ms, ONNX Runtime", "trained images/s", "paper, FPS"],
            [[name, *_speed_cells(row)] for name, row in zip(named, rows, strict=True)],
        ),
        "## Accuracy",
        table(
            ["network", "paper: mIOU, %", "paper: boundary F1", *(NAMES if fitted else [])],
            [[name, *_accuracy_cells(row, fitted=bool(fitted))] for name, row in zip(named, rows, strict=True)],
        ),
        "\n".join(f"{number}. {note}" for note, number in numbers.items()),
        "## Pareto fronts\n\nBy the figures alone, without their intervals.",
        "\n".join(_front_line(panel, _score_label(rows)) for panel in panels(rows, size_px=size_px)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def footnotes(rows: Sequence[Row]) -> list[str]:
    """Deviations of the rows from the paper, each once, in the rows' order."""
    return list(dict.fromkeys(note for row in rows for note in DEVIATIONS.get(row.model, [])))


def csv_text(rows: Sequence[Row]) -> str:
    """One line per network; unknown values are empty."""
    records = [_record(row) for row in rows]
    text = io.StringIO()
    lines = csv.DictWriter(text, max(records, key=len), restval="", lineterminator="\n")
    lines.writeheader()
    lines.writerows(records)
    return text.getvalue()


def panels(rows: Sequence[Row], *, size_px: int) -> list[Panel]:
    """Score against multiply-accumulates and against latency, of rows that have a score."""
    scored = [(row, score) for row in rows if (score := _score(row, fitted=_is_fitted(rows))) is not None]
    intervals = {row.model: row.accuracy.intervals[SCORE] for row in rows if row.accuracy}
    return [
        Panel(label, [Point(row.model, cost(row), score, intervals.get(row.model)) for row, score in scored])
        for label, cost in (
            (f"conv GMACs at {size_px} px", lambda row: row.costs.conv_macs / 1e9),
            (f"ms at {size_px} px, PyTorch, {_threads(THREADS[0])}", lambda row: row.speed.eager_ms[THREADS[0]]),
        )
    ]


def _is_fitted(rows: Sequence[Row]) -> bool:
    return any(row.accuracy for row in rows)


def _score(row: Row, *, fitted: bool) -> float | None:
    if fitted:
        return row.accuracy.values[SCORE] if row.accuracy else None
    return row.published.miou_percent if row.published else None


def _score_label(rows: Sequence[Row]) -> str:
    return SCORE if _is_fitted(rows) else "the paper's mIOU on EG1800, %"


def _front_line(panel: Panel, score_label: str) -> str:
    front = pareto_front(panel.points)
    if MARK not in (point.name for point in panel.points):
        verdict = ""
    else:
        verdict = f" {MARK} is {'on it' if MARK in front else 'not on it'}."
    return f"- {score_label} against {panel.cost_label}: {', '.join(front) or 'no network has a score'}.{verdict}"


def _how(threads: int, fitted: str | None) -> list[str]:
    return [
        "- paper: table 3 of SINet (WACV 2020), measured by its authors at 224 x 224 on an Intel Core i5-7200U; its",
        '  "FLOPs" are multiply-accumulates of convolutions without transposed ones, as conv GMACs here.',
        "- GFLOPs: 2 x the multiply-accumulates of all convolutions, transposed ones included, matrix products and",
        "  attention. Norms, activations and interpolations count in neither.",
        "- nodes: of the exported ONNX graph, before PReLUs are rewritten for ONNX Runtime.",
        f"- ms: median of one image in eager PyTorch {torch.__version__} on the CPU, and of the export in ONNX Runtime",
        f"  on one thread; trained images/s: batch {TRAINING_BATCH}, {_threads(threads)}, eager. All networks in turn.",
        f"- The paper's mIOU, on EG1800, is what is called {SCORE} here.",
        f"- Accuracy: {fitted or 'no network was fitted; --fit N fits all of them for N epochs'}.",
    ]


def _threads(count: int) -> str:
    return f"{count} thread{'s' * (count > 1)}"


def _cost_cells(row: Row) -> list[str]:
    costs, published = row.costs, row.published
    return [
        f"{costs.parameters:,}",
        f"{published.parameters_m:g}" if published else "-",
        f"{costs.conv_macs / 1e9:.4f}",
        f"{published.gflops:g}" if published else "-",
        f"{costs.flops / 1e9:.4f}",
        f"{costs.checkpoint_bytes:,}",
        str(costs.onnx_nodes),
    ]


def _speed_cells(row: Row) -> list[str]:
    speed = row.speed
    return [
        *(f"{speed.eager_ms[count]:.1f}" for count in THREADS),
        f"{speed.onnxruntime_ms:.1f}",
        f"{speed.training_images_per_second:.1f}",
        f"{row.published.fps:.2f}" if row.published else "-",
    ]


def _accuracy_cells(row: Row, *, fitted: bool) -> list[str]:
    known = row.published
    published = [f"{known.miou_percent:.2f}", f"{known.boundary_f1:.3f}"] if known else ["-", "-"]
    if not fitted:
        return published
    if row.accuracy is None:
        return published + ["-"] * len(NAMES)
    return published + [row.accuracy.cell(name) for name in NAMES]


def _record(row: Row) -> dict[str, str]:
    costs, speed = row.costs, row.speed
    record = {
        "model": row.model,
        "parameters": str(costs.parameters),
        "conv_macs": str(costs.conv_macs),
        "flops": str(costs.flops),
        "checkpoint_bytes": str(costs.checkpoint_bytes),
        "onnx_nodes": str(costs.onnx_nodes),
        **{f"eager_ms_{count}_threads": f"{speed.eager_ms[count]:.3f}" for count in THREADS},
        "onnxruntime_ms": f"{speed.onnxruntime_ms:.3f}",
        "training_images_per_second": f"{speed.training_images_per_second:.2f}",
    }
    if row.published:
        record |= {
            "paper_parameters_m": f"{row.published.parameters_m:g}",
            "paper_gflops": f"{row.published.gflops:g}",
            "paper_miou_percent": f"{row.published.miou_percent:g}",
            "paper_boundary_f1": f"{row.published.boundary_f1:g}",
            "paper_fps": f"{row.published.fps:g}",
        }
    if row.accuracy:
        for name in NAMES:
            low, high = row.accuracy.intervals[name]
            record |= {
                name: f"{row.accuracy.values[name]:.6f}",
                f"{name}_low": f"{low:.6f}",
                f"{name}_high": f"{high:.6f}",
            }
    return record
