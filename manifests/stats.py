"""Statistics of one version, as text tables."""

import pandas as pd

from manifests.store import Manifest

_COLUMNS = [
    "source", "origin", "teacher", "split", "status", "reason", "width", "height", "person_fraction",
    "doubt", "face_w", "decision_ms", "group_id",
]  # fmt: skip
_QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95]


def describe(manifest: Manifest) -> str:
    """Counts per source, split and status; quantiles of sizes and scores; reasons; seconds per decision."""
    df = manifest.read(_COLUMNS).to_pandas()
    numbers = df[["width", "height", "face_w", "person_fraction", "doubt"]].astype(float)
    parts = [
        f"{manifest.path}: {len(df)} samples, {df['group_id'].nunique()} near-duplicate groups",
        _titled("samples by source, origin and status", pd.crosstab([df["source"], df["origin"]], df["status"])),
        _titled("samples by split and status", pd.crosstab(df["split"], df["status"])),
        _titled("quantiles", numbers.quantile(_QUANTILES).T.round(3)),
    ]
    if df["reason"].notna().any():
        parts.append(_titled("reasons of rejected samples", df["reason"].value_counts().to_frame("samples")))
    decided = df["decision_ms"].dropna() / 1000.0
    if len(decided):
        quartiles = decided.quantile([0.25, 0.5, 0.75])
        parts.append(
            f"seconds per decision: median {quartiles[0.5]:.2f}, interquartile range "
            f"{quartiles[0.25]:.2f} to {quartiles[0.75]:.2f}, {len(decided)} decisions"
        )
    return "\n\n".join(parts)


def _titled(title: str, table: pd.DataFrame) -> str:
    return f"{title}\n{table.to_string()}"
