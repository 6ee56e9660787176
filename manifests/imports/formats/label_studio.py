"""Label Studio's JSON export -> trusted pairs: what a task's annotation marks with the label, united into one mask.

Of a task's annotations the one marked as ground truth counts, else the one changed last. Cancelled ones never do: a
task that has no other was skipped, and is left out whatever was predicted for it. A task without annotations has its
last prediction. Tasks without a region of the label are left out: it isn't said that the annotator looked for one.
What is left out is counted and named; so are masks whose annotators differ, and those made of rectangles or
ellipses.

`image_rotation` is how far the view was turned while it was annotated. It changes no coordinate: Label Studio writes
those of the image as it is (label-studio, `serialize` of its regions), and its own converter passes it over.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from manifests.errors import UserError, listed
from manifests.imports.drawn_person import person_reader
from manifests.imports.error_list import Problems
from manifests.imports.formats.label_studio_shapes import AREAS, Drawing, Kind, Region, Value, drawing_of, kind_of
from manifests.imports.ground_truth import LeftOut, TrustedPair
from manifests.imports.json_file import dicts, read_json, text
from manifests.pixels.image_files import PICTURE_SUFFIXES, read_file, source_uri
from manifests.pixels.metrics import mask_iou

logger = logging.getLogger(__name__)

COARSE: tuple[Kind, ...] = ("ellipse", "rectangle")  # often drawn around a person, as a box or a prompt
AGREEMENT_IOU = 0.9  # below it two masks of one image differ by more than their edges

Json = dict[str, Any]

_TASKS = "tasks.json"
_SKIPPED = "skipped tasks"


@dataclass(slots=True)
class _Reader:
    """Takes one task at a time; keeps the pairs and, by kind, the names of what is wrong, left out or worth a note."""

    root: Path
    category: str
    problems: Problems = field(default_factory=Problems)
    pairs: dict[str, TrustedPair] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    labels: set[str] = field(default_factory=set)

    def take(self, task: Json, number: int) -> None:
        """Make a pair of a task, or say why there is none."""
        name = _image_name(task["data"])
        if name is None:
            self.problems.add("tasks without an image", task.get("id", number))
            return
        entries, are_annotations = _candidates(task)
        if not entries:
            self.left_out[_SKIPPED if are_annotations else "tasks without an annotation"].append(name)
            return
        regions = self._labelled(_regions(entries[-1]))
        if not regions:
            self.left_out[f"tasks without a region of {self.category}"].append(name)
            return
        path = self.problems.find(self.root, name)
        drawing = self._drawing(regions, name)
        if path is None or drawing is None:
            return
        if name in self.pairs:
            self.problems.add("images listed twice", name)
        self._note(name, entries, drawing, are_annotations)
        mask_name = f"annotation of {name}"
        an_empty_one_counts = not are_annotations and drawing.fault is None  # our own export's, of an image without one
        self.pairs[name] = TrustedPair(
            name=name,
            mask_name=mask_name,
            uri=source_uri(path),
            read_image=partial(read_file, path),
            read_mask=drawing.mask if an_empty_one_counts else person_reader(drawing.mask, mask_name, drawing.fault),
            license=text(task["data"].get("license")),
            attribution=text(task["data"].get("attribution")),
        )

    def _labelled(self, regions: list[Region]) -> list[Region]:
        """The regions of the image that have the label: their own, or another region's of the same id."""
        labels_of: dict[str, set[str]] = defaultdict(set)
        named = [(str(region.get("id", f"#{number}")), region) for number, region in enumerate(regions)]
        for name, region in named:
            labels_of[name].update(_labels(region["value"]))
        shapes = [(name, region) for name, region in named if kind_of(region["value"])]
        self.labels.update(*(labels_of[name] for name, _ in shapes))
        wanted = self.category.lower()
        return [region for name, region in shapes if wanted in {label.lower() for label in labels_of[name]}]

    def _drawing(self, regions: list[Region], name: str) -> Drawing | None:
        """What the label's regions draw; None, and a line more, for those that can't be drawn."""
        areas = [region for region in regions if _kind(region) in AREAS]
        others = [region for region in regions if _kind(region) not in AREAS]
        if not areas or any(_kind(region) != "keypoint" for region in others):
            found = ", ".join(sorted({str(region.get("type") or _kind(region)) for region in others}))
            self.left_out[f"images with a {self.category} that can't be drawn"].append(f"{name}: {found}")
            return None
        try:
            drawing = drawing_of(areas)
        except (ValueError, TypeError, OverflowError) as error:
            self.problems.add("broken annotations", f"{name}: {error}")
            return None
        if others:
            self.notes[f"images whose keypoints of {self.category} draw nothing beside its areas"].append(name)
        for coarse in {_kind(region) for region in areas} & set(COARSE):
            self.notes[f"masks with {coarse}s drawn whole, coarser than a person's outline"].append(name)
        if any(drawing.faults) and not drawing.fault:
            self.notes["images with a region that draws nothing beside others"].append(name)
        if any((region.get("image_rotation") or 0) for region in areas):
            self.notes["images annotated in a turned view, read as they lie"].append(name)
        return drawing

    def _note(self, name: str, entries: list[Json], drawing: Drawing, are_annotations: bool) -> None:
        if not are_annotations:
            self.notes["masks that are predictions, as their tasks have no annotation"].append(name)
        elif not entries[-1].get("ground_truth") and self._differ(entries[:-1], drawing):
            self.notes["images whose annotators' masks differ; the one changed last counts"].append(name)

    def _differ(self, others: list[Json], drawing: Drawing) -> bool:
        return any(self._agreement(other, drawing) < AGREEMENT_IOU for other in others)

    def _agreement(self, other: Json, drawing: Drawing) -> float:
        """The IoU of another annotation's mask; 0 where it has none that can be drawn."""
        areas = [region for region in self._labelled(_regions(other)) if _kind(region) in AREAS]
        if not areas:
            return 0.0
        try:
            second = drawing_of(areas)
        except (ValueError, TypeError, OverflowError):
            return 0.0
        same_size = (second.height, second.width) == (drawing.height, drawing.width)
        return mask_iou(second.person(), drawing.person()) if same_size else 0.0


def read_label_studio(annotations: Path, images: Path | None, category: str) -> list[TrustedPair | LeftOut]:
    """The tasks that mark something with the label `category`, by their images' names; then a line for each kind left.

    `annotations` is the JSON file, or a directory that holds it as tasks.json. `images` is the directory that Label
    Studio serves files from, or the one its uploads lie in; by default the JSON's own. UserError naming all that is
    wrong: images that are missing or lie outside, regions that are damaged or of another size.
    """
    file = annotations / _TASKS if annotations.is_dir() else annotations
    root = images or file.parent
    if not root.is_dir():
        raise UserError(f"expected a directory of images at {root}, found none; check --images")
    reader = _Reader(root, category)
    for number, task in enumerate(_tasks(file), 1):
        reader.take(task, number)
    reader.problems.check(f"sound Label Studio tasks in {file}")
    lines = [listed(what, names) for what, names in reader.left_out.items()]
    if not reader.pairs:
        there = ", ".join(sorted(reader.labels)[:12]) or "none"
        raise UserError(
            f"expected tasks labelled {category} in {file}, found the labels {there} and {'; '.join(lines)}; "
            "say --category NAME"
        )
    for what, names in reader.notes.items():
        logger.warning("%s", listed(what, names))
    return [*(reader.pairs[name] for name in sorted(reader.pairs)), *map(LeftOut, lines)]


def _candidates(task: Json) -> tuple[list[Json], bool]:
    """The entries that may count, the one that does last; whether they are annotations, not predictions.

    A task whose annotations are all cancelled has none.
    """
    annotations = dicts(task.get("annotations"))
    if not annotations and not task.get("cancelled_annotations"):
        return dicts(task.get("predictions"))[-1:], False
    alive = [entry for entry in annotations if not entry.get("was_cancelled") and not entry.get("skipped")]
    return sorted(alive, key=lambda entry: (bool(entry.get("ground_truth")), _changed(entry))), True


def _changed(entry: Json) -> datetime:
    """When an annotation was changed last, or made; the beginning of time where that isn't known."""
    for stated in (entry.get("updated_at"), entry.get("created_at")):
        try:
            if isinstance(stated, int | float):  # seconds, in old exports
                return datetime.fromtimestamp(stated, UTC)
            if stated:
                time = datetime.fromisoformat(str(stated))
                return time if time.tzinfo else time.replace(tzinfo=UTC)
        except (ValueError, OverflowError, OSError):
            continue
    return datetime.min.replace(tzinfo=UTC)


def _regions(entry: Json) -> list[Region]:
    return [region for region in dicts(entry.get("result")) if isinstance(region.get("value"), dict)]


def _labels(value: Value) -> Iterator[str]:
    """The labels that a region's `value` names: `labels`, `brushlabels`, ..."""
    for key, stated in value.items():
        if key.endswith("labels") and isinstance(stated, list):
            yield from map(str, stated)


def _kind(region: Region) -> Kind | None:
    return kind_of(region["value"])


def _tasks(file: Path) -> list[dict[str, Any]]:
    content = read_json(file, "Label Studio tasks")
    if not isinstance(content, list) or not content or not all(_is_task(task) for task in content):
        raise UserError(
            f"expected Label Studio tasks in {file}, found something else; export the project as JSON (not JSON-MIN)"
        )
    return content


def _is_task(task: Any) -> bool:
    return isinstance(task, dict) and isinstance(task.get("data"), dict)


def _image_name(data: dict[str, Any]) -> str | None:
    """The image's file name: of one served locally its path below the directory served, else the URL's last part."""
    for value in (data.get("image"), *data.values()):
        if not isinstance(value, str):
            continue
        url = urlsplit(value)
        served = parse_qs(url.query).get("d") if url.path.endswith("/local-files/") else None
        name = served[0] if served else PurePosixPath(unquote(url.path)).name
        if PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES:
            return name
    return None
