"""What `import --format` made of annotations, and what it refused."""

import argparse
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_rows import (
    accepted,
    stored_mask,
)
from PIL import Image

from manifests.cli.importing import add_options
from manifests.errors import UserError
from manifests.imports.ground_truth import Imported, LeftOut, TrustedPair, import_pairs
from manifests.pixels.geometry import Pixels
from manifests.store.manifest import Manifest, ManifestStore


def refusal(read: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(UserError) as caught:
        read(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def trusted(found: Iterable[TrustedPair | LeftOut]) -> list[TrustedPair]:
    return [each for each in found if isinstance(each, TrustedPair)]


def left_out(found: Iterable[TrustedPair | LeftOut]) -> list[str]:
    return [each.line for each in found if isinstance(each, LeftOut)]


def take(root: Path, pairs: Sequence[TrustedPair | LeftOut], **options: Any) -> Imported:
    store = ManifestStore(root / "manifests")
    return import_pairs(store, pairs, source="back", data_root=root / "data", parameters={}, **options)


def masks_by_stem(manifest: Manifest) -> dict[str, Pixels]:
    return {Path(row["source_uri"]).stem: stored_mask(manifest, row) for row in manifest.read().to_pylist()}


def assert_same_masks(back: Manifest, original: Manifest, expected: Callable[[Manifest, Any], Pixels]) -> None:
    found, rows = masks_by_stem(back), accepted(original)
    assert found.keys() == rows.keys()
    for sample_id, row in rows.items():
        assert np.array_equal(found[sample_id], expected(original, row))


def png(values: Pixels, mode: str | None = None) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values, mode).save(buffer, "PNG")
    return buffer.getvalue()


def options_of(*arguments: str) -> argparse.Namespace:
    """As __main__ does, with --images and --masks optional."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    add_options(parser)
    return parser.parse_args(["--source", "s", *arguments])
