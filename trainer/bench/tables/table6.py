"""Table 6 of SINet, its counts: networks for Cityscapes' 19 classes and one for what is ignored.

The paper counts multiply-accumulates of convolutions at 1024 x 2048 (full) or 512 x 1024 (half). Nothing is computed:
the networks are counted on torch's meta device.
"""

from dataclasses import dataclass

from trainer.bench.tables.costs import conv_macs, count_parameters
from trainer.bench.tables.markdown import table
from trainer.models import create_model

CLASSES = 20  # at which the published counts hold
FULL, HALF = (1024, 2048), (512, 1024)  # H, W


@dataclass(frozen=True, slots=True)
class Published:
    """The paper's row: M parameters, G multiply-accumulates at full or half size, mIOU on the test set in %."""

    parameters_m: float
    full_g: float | None
    half_g: float | None
    miou_percent: float


PAPER = {
    "espnet_full": Published(0.36, None, 4.5, 61.4),
    "espnetv2": Published(0.79, None, 2.7, 66.2),
    "lraspp_mobilenetv3_small": Published(0.47, 2.9, None, 69.4),
    "sinet_cityscapes": Published(0.12, 1.2, None, 66.5),
}


@dataclass(frozen=True, slots=True)
class Row:
    model: str
    parameters: int
    full_macs: int
    half_macs: int


def count() -> list[Row]:
    """Count every network of the paper's table that is here."""
    rows = []
    for model in PAPER:
        network = create_model(model, classes=CLASSES).to("meta")
        rows.append(Row(model, count_parameters(network), conv_macs(network, FULL), conv_macs(network, HALF)))
    return rows


def markdown(rows: list[Row]) -> str:
    header = ["network", "parameters", "paper, M", "conv GMACs, full", "paper, G", "half", "paper, G", "paper: mIOU, %"]
    cells = [
        [
            f"`{row.model}`",
            f"{row.parameters:,}",
            f"{PAPER[row.model].parameters_m:g}",
            f"{row.full_macs / 1e9:.3f}",
            _or_dash(PAPER[row.model].full_g),
            f"{row.half_macs / 1e9:.3f}",
            _or_dash(PAPER[row.model].half_g),
            f"{PAPER[row.model].miou_percent:.1f}",
        ]
        for row in rows
    ]
    return (
        f"# Table 6 of SINet, its counts: Cityscapes, {CLASSES} classes\n\n"
        "- Full is 1024 x 2048, half 512 x 1024 (H x W); the paper's text says 2048 x 512, its table is right.\n"
        "- ContextNet14 and MobileNetV2 (0.35) are not here. Torchvision's MobileNetV3 has 0.04 M more.\n\n"
        f"{table(header, cells)}\n"
    )


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
