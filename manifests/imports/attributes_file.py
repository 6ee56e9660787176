"""`import --attributes FILE`: a CSV file of attributes -> the attributes of imported images.

The header is `image` and the names of text attributes; a line is one image, by its file name or the end of its path
(`x.jpg` or `a/x.jpg`). An empty cell is not stated.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from manifests.errors import UserError, lines_on
from manifests.samples.attributes import SAMPLE_ID

IMAGE = "image"
MOST_VALUES = 20  # of an attribute; each becomes a slice

Parts = tuple[str, ...]  # of a path
Values = tuple[str | None, ...]  # of one image, in the order of the names


@dataclass(frozen=True, slots=True)
class AttributesFile:
    """The attributes' names, and their values by the end of an image's path."""

    path: Path
    names: Sequence[str]
    values: Mapping[Parts, Values]


@dataclass(frozen=True, slots=True)
class StatedAttributes:
    """The values of each image with attributes, by `source_uri`, and notes on names and images without a partner."""

    names: Sequence[str]
    values: Mapping[str, Values]
    notes: Sequence[str]

    def of_samples(self, sample_ids: Mapping[str, str]) -> tuple[list[str], dict[str, list[str | None]]]:
        """Sample ids and their attributes, from `source_uri` -> sample id; repeated images have those of the first."""
        values: dict[str, Values] = {}
        for uri, sample_id in sample_ids.items():
            if uri in self.values:
                values.setdefault(sample_id, self.values[uri])
        columns = {name: [cells[place] for cells in values.values()] for place, name in enumerate(self.names)}
        return list(values), columns


def read_attributes_file(path: Path) -> AttributesFile:
    """Read the CSV file; UserError listing every problem: its columns, its lines, repeated images, too many values."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *lines = [line for line in csv.reader(file, strict=True) if line] or [[]]
    except OSError as error:
        raise UserError(f"expected a CSV file of attributes at {path}, found none ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"expected CSV in UTF-8 in {path}, found other text ({error})") from error
    names = [name.strip() for name in header]
    if names[:1] != [IMAGE] or len(names) < 2 or len(set(names)) < len(names) or not all(names) or SAMPLE_ID in names:
        raise UserError(
            f"expected the header of {path} to be {IMAGE} and distinct names of attributes, found "
            f"{','.join(header)[:80]!r}; name the columns"
        )
    values: dict[Parts, Values] = {}
    problems: dict[str, list[str]] = {}
    for line in lines:
        image, *cells = (cell.strip() for cell in line)
        parts = PurePosixPath(image).parts
        if len(line) != len(names) or not parts:
            problems.setdefault(f"lines without an image and {len(names) - 1} values", []).append(",".join(line)[:80])
        elif parts in values:
            problems.setdefault("repeated images", []).append(image)
        else:
            values[parts] = tuple(cell or None for cell in cells)
    for place, name in enumerate(names[1:]):
        distinct = {cells[place] for cells in values.values()} - {None}
        if len(distinct) > MOST_VALUES:
            problems.setdefault(f"columns of more than {MOST_VALUES} values", []).append(f"{name}: {len(distinct)}")
    if problems:
        raise UserError(
            f"expected one line for each image, and at most {MOST_VALUES} values of an attribute, in {path}, found "
            f"{'; '.join(lines_on(problems))}; correct the file"
        )
    return AttributesFile(path, names[1:], values)


def match_attributes(file: AttributesFile, uris: Sequence[str]) -> StatedAttributes:
    """The attributes of images by their `source_uri`.

    UserError when no name fits an image, one fits several, or two fit one; the rest without a partner is a note.
    """
    by_name: dict[Parts, list[str]] = {}
    by_uri: dict[str, list[Parts]] = {}
    lengths = {len(parts) for parts in file.values}
    for uri in dict.fromkeys(uris):
        path = PurePosixPath(uri).parts
        for end in {path[-length:] for length in lengths} & file.values.keys():
            by_name.setdefault(end, []).append(uri)
            by_uri.setdefault(uri, []).append(end)
    problems = lines_on({
        "names of several images": ["/".join(end) for end, images in by_name.items() if len(images) > 1],
        "images with two names": [uri for uri, ends in by_uri.items() if len(ends) > 1],
    })  # fmt: skip
    if problems:
        raise UserError(
            f"expected each name in {file.path} to fit one image, found {'; '.join(problems)}; "
            "write as much of the path as it takes, once"
        )
    if not by_name:
        raise UserError(
            f"expected names of imported images in the column {IMAGE} of {file.path}, found none among {len(uris)}; "
            "write file names or the ends of paths"
        )
    unknown = ["/".join(parts) for parts in file.values if parts not in by_name]
    without = [PurePosixPath(uri).name for uri in dict.fromkeys(uris) if uri not in by_uri]
    notes = [
        f"attributes {', '.join(file.names)} of {len(by_name)} images",
        *lines_on({f"names in {file.path} fit no image": unknown, "images have no attributes": without}),
    ]
    return StatedAttributes(file.names, {uri: file.values[ends[0]] for uri, ends in by_uri.items()}, notes)
