"""The files of a network's weights: their names, their licence, and the word `starter`. Loads no torch."""

from pathlib import Path

STARTER = "starter"  # stands for the checkpoint that comes with the package
STARTER_PATH = Path(__file__).parent / "starter" / "best.safetensors"
STARTER_LICENCE = "Apache-2.0"  # this project's; its card lists the images' licences
LICENCE_NOT_STATED = "not stated"
BEST = "best.safetensors"
LAST = "last.safetensors"


def checkpoint_path(text: str) -> Path:
    """An argparse type: a checkpoint's path, or `starter`."""
    return STARTER_PATH if text == STARTER else Path(text)


def name_of(path: Path) -> str:
    """A network's name: starter, the run whose best or last it is, or the file's own stem."""
    if path == STARTER_PATH:
        return STARTER
    if path.name in (BEST, LAST):
        return path.resolve().parent.name
    return path.resolve().name if path.is_dir() else path.stem


def licence_of(path: Path) -> str:
    """Licence of a network's weights, as far as it is known."""
    return STARTER_LICENCE if path == STARTER_PATH else LICENCE_NOT_STATED
