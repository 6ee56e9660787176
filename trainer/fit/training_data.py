"""The data of a run: both splits, decoded, and images without people to composite with."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.store.manifest import Manifest
from manifests.store.training_rows import AcceptedRow, accepted_rows, require_rows
from trainer.data.backgrounds import backgrounds_in, own_backgrounds
from trainer.data.cache import cache_directory, cached_samples
from trainer.data.compositing import Compositor, Negatives
from trainer.data.preprocessing import Preprocessing
from trainer.data.samples import Samples
from trainer.fit.configuration import DataOptions
from trainer.fit.recipe import Recipe


def load_train_and_val(
    manifest: Manifest, preprocessing: Preprocessing, options: DataOptions
) -> tuple[Samples, Samples]:
    """Decode both splits; UserError when nothing is accepted for training. Print one line when val is empty."""
    train_rows, val_rows = require_rows(manifest, "train")[: options.limit], accepted_rows(manifest, "val")
    _check_sources(train_rows, options.source_weights)
    print(f"{manifest.path}: {len(train_rows)} accepted rows to train on, {len(val_rows)} to validate on", flush=True)
    if not val_rows:
        print("nothing to validate on: no metric is measured, the best epoch is the one of lowest training loss")
    blobs, cache = BlobStore(manifest.data_root), cache_directory(manifest.data_root)
    train, val = (
        cached_samples(rows, blobs, preprocessing, cache, skip_bad=options.skip_bad) for rows in (train_rows, val_rows)
    )
    return train, val


def _check_sources(rows: Sequence[AcceptedRow], weights: Mapping[str, float]) -> None:
    sources = sorted({row.source for row in rows})
    unknown = sorted(weights.keys() - set(sources))
    if unknown:
        raise UserError(f"expected --weight for sources out of {', '.join(sources)}, found {', '.join(unknown)}")
    if not any(weights.get(source, 1.0) for source in sources):
        raise UserError(f"expected a --weight above 0 for one of {', '.join(sources)}, found 0 for all")


def open_backgrounds(
    directory: str | None, train: Samples, preprocessing: Preprocessing, recipe: Recipe
) -> tuple[Compositor | None, Negatives | None]:
    """The recipe's uses of images without people: new backgrounds for people, and backgrounds alone."""
    if not recipe.composite_prob and not recipe.negatives:
        return None, None
    images = backgrounds_in(Path(directory), preprocessing) if directory else own_backgrounds(train)
    print(f"{len(images)} images without people", flush=True)
    compositor = Compositor(images, recipe.composite_prob) if recipe.composite_prob else None
    return compositor, Negatives(images, recipe.negatives) if recipe.negatives else None
