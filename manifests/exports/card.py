"""The dataset card of an imagefolder: YAML front matter, contents, licences and provenance."""

import json
from collections.abc import Mapping

import pyarrow.compute as pc

from manifests.exports.rows import ExportRows
from manifests.store.schema import Split

HUB_LICENSES = frozenset(  # the Hub's identifiers of common licences; others are "other"
    {
        "apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0",
        "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0", "cc-by-nd-4.0", "odbl", "pddl",
    }
)  # fmt: skip

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def dataset_card(chosen: ExportRows, folders: Mapping[Split, str], *, soft: bool) -> str:
    """README.md of an export with its splits in `folders`."""
    masks = "0..255 = person probability" if soft else "255 = person, 0 = background"
    provenance = "\n".join(f"| {name} | {value} |" for name, value in chosen.provenance().items())
    splits = "\n".join(f"| {folders[split]} | {chosen.count(split)} |" for split in chosen.splits)
    return f"""---
{_front_matter(chosen, folders)}
---

# Portraits with person masks

Each row is a portrait and its mask, a PNG of the same size: {masks}. Licence, attribution and source of every
image are columns of its row.

| split | rows |
|---|---|
{splits}

## Licences and sources

| source | licence | rows |
|---|---|---|
{_sources(chosen)}

## Made from

| | |
|---|---|
{provenance}
"""


def _front_matter(chosen: ExportRows, folders: Mapping[Split, str]) -> str:
    """Keys with JSON values, which are YAML."""
    configs = [
        {
            "config_name": "default",
            "drop_labels": True,
            "data_files": [{"split": folders[split], "path": f"{folders[split]}/**"} for split in chosen.splits],
        }
    ]
    entries = {
        "pretty_name": "Portraits with person masks",
        "license": hub_license(chosen),
        "task_categories": ["image-segmentation"],
        "size_categories": [next((name for limit, name in _SIZES if len(chosen) < limit), "n>1M")],
        "configs": configs,
    }
    return "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in entries.items())


def hub_license(chosen: ExportRows) -> str:
    """The Hub's identifier of the licence of all rows; `unknown` without one, `other` for a mixture."""
    licenses = chosen.distinct("license")
    if not licenses:
        return "unknown"
    identifier = licenses[0].strip().lower().replace(" ", "-")
    is_single = len(licenses) == 1 and not chosen.lacks("license")
    return identifier if is_single and identifier in HUB_LICENSES else "other"


def _sources(chosen: ExportRows) -> str:
    counts = chosen.counts_by("source", "license")
    ordered = counts.set_column(
        counts.schema.get_field_index("license"), "license", pc.fill_null(counts["license"], "not stated")
    ).sort_by([("source", "ascending"), ("license", "ascending")])
    return "\n".join(
        f"| {_cell(row['source'])} | {_cell(row['license'])} | {row['rows']} |" for row in ordered.to_pylist()
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
