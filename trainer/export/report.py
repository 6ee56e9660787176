"""report.json and report.md: the files written, and their difference from the checkpoint."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.export.parity import Parity
from trainer.inference.runtimes.metadata import Metadata

REPORT_JSON, REPORT_MD = "report.json", "report.md"
COLUMNS = (
    "file", "bytes", "operations", "precision", "largest difference", "equal mask pixels", "miou",
    "person_iou_per_image", "boundary_f1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exported:
    """One export: its first file is the one to open, `operations` are that file's, by kind.

    `checked` is what was read back where it can't run here.
    """

    runtime: str
    precision: str
    files: list[str]
    size_bytes: int
    operations: dict[str, int]
    parity: Parity | None = None
    checked: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """`checkpoint` holds the checkpoint's own figures on the same photographs; None without photographs."""

    metadata: Metadata
    packages: dict[str, str]
    exports: list[Exported]
    manifest: str | None = None
    photographs: int = 0
    checkpoint: Parity | None = None

    def write(self, directory: Path) -> None:
        (directory / REPORT_JSON).write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n")
        (directory / REPORT_MD).write_text(self.markdown())

    def markdown(self) -> str:
        data = self.metadata
        lines = [
            f"# {data.checkpoint}, exported",
            "",
            f"{data.model}, input RGB uint8 {data.input_px}x{data.input_px} px, fitted on manifest "
            f"v{data.manifest_version} (`{data.manifest_digest[:12]}`). Licence: {data.licence}.",
            f"Weights: SHA-256 `{data.weights_sha256}`.",
            "",
            f"| {' | '.join(COLUMNS)} |",
            "|---" * len(COLUMNS) + "|",
        ]
        if self.checkpoint:
            lines.append(f"| the checkpoint, PyTorch | | | fp32 | | | {_metrics(self.checkpoint)} |")
        lines += [
            f"| {export.files[0]} | {export.size_bytes:,} | {sum(export.operations.values())} | {export.precision} | "
            f"{_closeness(export)} |"
            for export in self.exports
        ]
        summary = (
            f"Differences are of person probabilities on {self.photographs} photographs of manifest {self.manifest}, "
            "at their own sizes, against the checkpoint in PyTorch."
            if self.checkpoint
            else "Nothing was compared: no --manifest was given."
        )
        lines += ["", summary]
        lines += [
            f"{export.files[0]} was not run here; read back it has {_interface(export)}."
            for export in self.exports
            if export.checked
        ]
        lines += ["", "Made with " + ", ".join(f"{name} {version}" for name, version in self.packages.items()) + "."]
        return "\n".join(lines) + "\n"


def _closeness(export: Exported) -> str:
    if export.parity is None:
        return " | ".join(["not run here" if export.checked else "not compared", *[""] * 4])
    parity = export.parity
    return f"{parity.largest_difference:.1e} | {parity.equal_fraction:.3%} | {_metrics(parity)}"


def _metrics(parity: Parity) -> str:
    metrics = parity.metrics
    return f"{metrics.miou:.4f} | {metrics.person_iou_per_image:.4f} | {metrics.boundary_f1:.4f}"


def _interface(export: Exported) -> str:
    checked = export.checked or {}
    operations = ", ".join(f"{count} {name}" for name, count in export.operations.items())
    return f"input {checked['input']}, output {checked['output']}, and {operations}"
