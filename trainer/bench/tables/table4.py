"""Table 4 of SINet rerun: the gates between encoder and decoder, on images rotated at random.

All gates are fitted with one recipe and budget by trainer.compare, and measured on the same rotated images. The paper's
mIOU is this project's `person_iou_per_image`.
"""

from collections.abc import Mapping, Sequence

from trainer.bench.tables.accuracy import Difference, Finding
from trainer.bench.tables.markdown import table

METRIC = "person_iou_per_image"
ROTATIONS_DEGREES = (25, 45, 75, 90)
PAPER_PERCENT = {  # at 0 degrees, then at ROTATIONS_DEGREES
    "ib": (94.81, 88.62, 84.74, 79.05, 76.85),
    "reverse": (94.68, 84.06, 80.58, 73.88, 73.09),
    "none": (94.74, 85.11, 81.53, 75.36, 72.99),
    "gau": (94.77, 86.33, 82.80, 75.85, 73.96),
}
ARMS = {gate: f"--gate {gate}" for gate in PAPER_PERCENT}  # the base of all differences first


def markdown(findings: Mapping[tuple[str, int], Finding], fitted: str) -> str:
    """The page, from findings by gate and rotation in degrees."""
    rotations = (0, *ROTATIONS_DEGREES)
    rows = [
        [f"`{gate}`", *(_cell(findings[gate, d], percent) for d, percent in zip(rotations, papers, strict=True))]
        for gate, papers in PAPER_PERCENT.items()
    ]
    base = next(iter(ARMS))
    differences = [
        [f"`{gate}`", *(_difference(findings[gate, degrees].difference) for degrees in rotations)]
        for gate in ARMS
        if gate != base
    ]
    titles = ["as they are", *(f"+-{degrees} degrees" for degrees in ROTATIONS_DEGREES)]
    return "\n\n".join(
        [
            "# Table 4 of SINet, rerun: gates under rotation",
            f"- {fitted}.\n- {METRIC} in %, the paper's mIOU on EG1800 in brackets.",
            table(["gate", *titles], rows),
            f"Difference to `{base}` in points, with 95 % intervals:",
            table(["gate", *titles], differences) + "\n",
        ]
    )


def _cell(finding: Finding, paper_percent: float) -> str:
    return f"{100 * finding.mean:.2f} ({paper_percent:.2f})"


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return "-"
    return f"{difference.points:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]"


def findings_of(records: Sequence[Mapping[str, str]]) -> dict[tuple[str, int], Finding]:
    """Lines of trainer.compare's table.csv -> findings by gate and rotation in degrees."""
    return {
        (record["arm"], int(record["rotation_degrees"])): Finding.of(record)
        for record in records
        if record["metric"] == METRIC
    }
