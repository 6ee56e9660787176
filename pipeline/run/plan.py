"""A planned run: which images or samples are labelled, how, and where the version goes; with Prefect and without."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Generic

from manifests.store.manifest import ManifestStore
from pipeline.labelling.destination import Destination
from pipeline.labelling.label import LabelWork
from pipeline.labelling.relabel import RelabelItem, RelabelStatus, RelabelWork, find_samples
from pipeline.labelling.shards import split_into_shards
from pipeline.labelling.work import Item
from pipeline.run.runners import Execution, threads_per_shard
from pipeline.run.worker import Job
from pipeline.sources import Origins, Picture, default_source, find_mask_encoding, find_pictures, without_blobs
from pipeline.teachers import DEFAULT_TEACHER, TeacherOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """Source images to make portraits of: cropped ground truth with `masks` (case 1), else a teacher's proposals."""

    images: str
    masks: str | None = None
    teacher: str = DEFAULT_TEACHER
    options: TeacherOptions = TeacherOptions()  # noqa: RUF009 - it is frozen
    source: str | None = None
    license: str | None = None
    attribution: str | None = None
    person_label: int | None = None
    grey_levels: bool = False
    allow_private_addresses: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RelabelRequest:
    """Samples of one status to make new masks for; with `keep_both` they keep their masks beside the new ones."""

    status: RelabelStatus
    teacher: str
    options: TeacherOptions = TeacherOptions()  # noqa: RUF009 - it is frozen
    keep_both: bool = False


@dataclass(frozen=True, slots=True)
class Plan(Generic[Item]):
    """Shards, the job they share, and the next version's store, data root and recorded parameters.

    `version` is the latest one of the dataset, 0 without any.
    """

    shards: Sequence[Sequence[Item]]
    job: Job[Item]
    store: ManifestStore
    version: int
    parameters: dict[str, object]

    @property
    def images(self) -> int:
        """Number of images in all shards."""
        return sum(len(shard) for shard in self.shards)


def plan_labels(request: GenerateRequest, execution: Execution, destination: Destination) -> Plan[Picture]:
    """Plan generating; UserError when images, masks or destination aren't usable."""
    store, data_root = destination.open()
    found = find_pictures(request.images, request.masks, allow_private_addresses=request.allow_private_addresses)
    pictures = without_blobs(found, data_root)
    encoding = find_mask_encoding(pictures, request.person_label, grey_levels=request.grey_levels)
    origins = Origins(request.source or default_source(request.images), request.license, request.attribution, encoding)
    teacher = None if request.masks else request.teacher
    job = Job(LabelWork(origins), teacher, request.options, data_root, threads_per_shard(execution))
    case1 = {"masks": request.masks, "encoding": str(encoding)}
    case = case1 if request.masks else {"teacher": teacher, **_changed(request.options)}
    parameters = {"images": request.images, "source": origins.source, **case}
    latest = store.open().version if store.versions() else 0
    return Plan(split_into_shards(pictures, execution.shard_size), job, store, latest, parameters)


def plan_new_masks(request: RelabelRequest, execution: Execution, destination: Destination) -> Plan[RelabelItem]:
    """Plan relabelling; UserError without such samples."""
    store, data_root = destination.open()
    latest = store.open()
    samples = find_samples(latest, request.status, data_root, keep_both=request.keep_both)
    job = Job(RelabelWork(), request.teacher, request.options, data_root, threads_per_shard(execution))
    parameters = {"teacher": request.teacher, **_changed(request.options)}
    return Plan(split_into_shards(samples, execution.shard_size), job, store, latest.version, parameters)


def _changed(options: TeacherOptions) -> dict[str, object]:
    """The options that differ from the defaults."""
    defaults = asdict(TeacherOptions())
    return {name: value for name, value in asdict(options).items() if value != defaults[name]}
