"""Lists in the Baidu human dataset's form -> trusted pairs: `image_path mask_path` a line.

    train.txt    input/a.jpg target/a.png      both below the list's directory, or below `images`

A line of one name `a.jpg` stands for `input/a.jpg` and `target/a.png`, the layout of SINet's authors.
"""

from pathlib import Path, PurePosixPath

from manifests.imports.ground_truth import TrustedPair
from manifests.imports.lists import Candidates, Line, list_directory, read_list


def read_baidu(annotations: Path, images: Path | None, category: str) -> list[TrustedPair]:
    """The pairs of a list, or of all lists of a directory."""
    return read_list(annotations, images or list_directory(annotations), _candidates)


def _candidates(line: Line) -> Candidates:
    if len(line) == 2:
        return [line[0]], [line[1]]
    stem = PurePosixPath(line[0]).stem
    return [f"input/{line[0]}"], [f"target/{line[0]}", f"target/{stem}.png"]
