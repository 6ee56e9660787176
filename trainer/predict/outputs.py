"""The names of outputs: `<stem>.png` for the mask, `<stem>-<view>` for all others, in one directory.

Nothing is written when two outputs would have one name, or when one would replace an input.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from manifests.errors import UserError
from trainer.predict.inputs import Footage, Inputs, stem

STILL_SUFFIXES = {
    "mask": ".png",
    "alpha": ".png",
    "cutout": ".png",
    "blur": ".jpg",
    "replace": ".jpg",
    "side-by-side": ".jpg",
}
MAX_NAME_BYTES = 255  # of a file's name, on all file systems in use
FRAMES = "cutout"  # of a video: a directory of numbered PNG files, since video files here hold no opacity

Outputs = Mapping[str, Path]  # view -> file, or directory of frames

logger = logging.getLogger(__name__)


def still_outputs(image: Path, views: Iterable[str], directory: Path) -> Outputs:
    """Outputs of one image."""
    return {view: directory / f"{_name(image.stem, view)}{STILL_SUFFIXES[view]}" for view in views}


def footage_outputs(source: Footage, views: Iterable[str], directory: Path, suffix: str) -> Outputs:
    """Outputs of one video; `suffix` is the video files'."""
    return {view: directory / f"{_name(stem(source), view)}{'' if view == FRAMES else suffix}" for view in views}


def check_outputs(inputs: Inputs, outputs: Sequence[Outputs]) -> None:
    """UserError when outputs collide with each other or with inputs; `outputs` are those of all inputs."""
    _check_stems(inputs)
    paths = [path for views in outputs for path in views.values()]
    twice = _more_than_once(paths)
    if twice:
        raise UserError(f"expected outputs of different names, found {twice[0]} more than once; rename its input")
    sources = {path.resolve() for path in (*inputs.pictures, *inputs.footage) if isinstance(path, Path)}
    lost = [path for path in paths if path.resolve() in sources]
    if lost:
        raise UserError(f"expected an --output where no input lies, found {lost[0]} to be overwritten; give another")
    for views in outputs:
        _check_frames(views.get(FRAMES))


def skip_long_names(*groups: MutableMapping[Any, Outputs], alone: bool) -> None:
    """Skip inputs whose outputs' names are too long for a file system, with a warning; UserError when `alone`."""
    for group in groups:
        for source, outputs in list(group.items()):
            longest = max((path.name for path in outputs.values()), key=_size_bytes)
            if _size_bytes(longest) <= MAX_NAME_BYTES:
                continue
            problem = f"expected output names of at most {MAX_NAME_BYTES} bytes, found {longest}; rename {source}"
            if alone:
                raise UserError(problem)
            logger.warning("skipped %s: %s", source, problem)
            del group[source]


def _size_bytes(name: str) -> int:
    return len(os.fsencode(name))


def _check_stems(inputs: Inputs) -> None:
    twice = _more_than_once([*(path.stem for path in inputs.pictures), *map(stem, inputs.footage)])
    if twice:
        raise UserError(
            f"expected images of different stems, found {len(twice)} stem(s) more than once, {twice[0]!r} for one; "
            "their masks would overwrite each other: predict one folder at a time"
        )


def _check_frames(path: Path | None) -> None:
    """UserError for old frames: those of a longer video would stay among the new ones."""
    if path is not None and path.is_dir() and any(path.iterdir()):
        raise UserError(f"expected no frames in {path} yet, found some; remove them or give another --output")


def _more_than_once(names: Sequence[str] | Sequence[Path]) -> list[str]:
    return sorted(str(name) for name, count in Counter(names).items() if count > 1)


def _name(stem: str, view: str) -> str:
    return stem if view == "mask" else f"{stem}-{view}"
