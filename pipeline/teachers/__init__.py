"""Teachers propose masks for portraits without one. `load_teacher` loads one by name or path.

ensemble.py             the mean of several, and of mirrored images
grabcut.py              GrabCut, without weights
network.py              torch networks: batches, precision, memory
onnx_file.py            a third-party ONNX file
options.py              command-line options
plugins.py              teachers of other packages, by entry points
refine.py               edges refined by the image's colours
smp_weights.py          segmentation-models-pytorch's networks, with the paper's DeepLabv3+
teacher.py              the protocol: portraits -> person probabilities
tiles.py                very large images
torchvision_weights.py  torchvision's networks
"""

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from manifests.errors import UserError
from manifests.files.blobs import sha256_hex
from pipeline.teachers.ensemble import Ensemble, Mirrored
from pipeline.teachers.grabcut import GrabCut
from pipeline.teachers.options import DEFAULT_INPUT_PX, TeacherOptions
from pipeline.teachers.plugins import load_plugin, plugin_names
from pipeline.teachers.refine import Refined
from pipeline.teachers.teacher import Portrait, Prediction, Teacher
from pipeline.teachers.tiles import Tiled

if TYPE_CHECKING:
    import torch  # takes seconds to import, as do the modules of this package that the functions below import

__all__ = [
    "DEFAULT_TEACHER",
    "TEACHERS",
    "Portrait",
    "Prediction",
    "Teacher",
    "TeacherOptions",
    "load_teacher",
    "on_gpu",
]

STARTER_PATH = Path(__file__).parent / "starter"  # documented by its model card
STARTER_INPUT_PX = (320, 384)
DEFAULT_TEACHER = "starter"  # comes with the package
ONNX_PREFIX = "onnx:"
HUB_PREFIX = "hub:"  # explicit: a mistyped path is not sent anywhere

Load = Callable[[TeacherOptions], list[Teacher]]  # one for each input size


def _grabcut(options: TeacherOptions) -> list[Teacher]:
    _refuse_network_options("grabcut", options)
    return [GrabCut()]


def _starter(options: TeacherOptions) -> list[Teacher]:
    """Mean of two sizes and their mirrors, half a point of miou better than one size; --input-px replaces it.

    Its network is built for the first portrait: a run that finds its work done doesn't wait for it.
    """
    if options.input_px:
        return _smp(STARTER_PATH, options, known_to_fit=True)
    members = _smp(STARTER_PATH, dataclasses.replace(options, input_px=STARTER_INPUT_PX), known_to_fit=True)
    return members if options.flip else [*members, *map(Mirrored, members)]


def _deeplabv3plus(options: TeacherOptions) -> list[Teacher]:
    raise UserError(
        "expected weights for the teacher deeplabv3plus, found none: pass a save_pretrained directory or a "
        ".safetensors file as --teacher PATH, or use --teacher starter, which comes with its weights"
    )


def _torchvision(name: str) -> Load:
    def load(options: TeacherOptions) -> list[Teacher]:
        from pipeline.teachers.torchvision_weights import VOC_PERSON, load_torchvision

        loaded = load_torchvision(name)
        person_class = VOC_PERSON if options.person_class is None else options.person_class
        return _of_sizes(lambda: loaded.network, loaded.name, person_class, options)

    return load


TEACHERS: dict[str, Load] = {
    "starter": _starter,
    "grabcut": _grabcut,
    "deeplabv3plus": _deeplabv3plus,
    "deeplabv3_resnet101": _torchvision("deeplabv3_resnet101"),
    "lraspp": _torchvision("lraspp"),
}


@lru_cache(maxsize=2)
def load_teacher(spec: str, options: TeacherOptions = TeacherOptions()) -> Teacher:  # noqa: B008 - it is frozen
    """Load the teacher that `spec` names, once per process. UserError without one, or for options it doesn't have.

    A name of TEACHERS or of an installed package's, a `save_pretrained` directory or `.safetensors` file, `onnx:FILE`,
    `hub:OWNER/NAME`; or several of them joined by +, whose mean it is.
    """
    members = [teacher for part in _parts(spec) for teacher in _load_one(part, options)]
    if options.flip:
        members += [Mirrored(member) for member in members]
    names = sorted({member.name for member in members})
    name = names[0] if len(names) == 1 else f"ensemble@{sha256_hex(' '.join(names).encode())[:12]}"
    teacher = members[0] if len(members) == 1 else Ensemble(members, name=name)
    if options.tile_px:
        teacher = Tiled(teacher, options.tile_px)
    if options.refine != "none":
        teacher = Refined(teacher, options.refine)
    return teacher


def _parts(spec: str) -> list[str]:
    """The members' specs: `a+b` is two, but an existing path with a plus is one."""
    return [spec] if Path(spec.removeprefix(ONNX_PREFIX)).exists() else spec.split("+")


def _load_one(spec: str, options: TeacherOptions) -> list[Teacher]:
    if spec in TEACHERS:
        return TEACHERS[spec](options)
    if spec.startswith(ONNX_PREFIX):
        from pipeline.teachers.onnx_file import OnnxTeacher

        _refuse_network_options(spec, options)
        path = Path(spec.removeprefix(ONNX_PREFIX)).expanduser()
        return [OnnxTeacher(path, device=options.device, batch_size=options.batch_size)]
    if spec.startswith(HUB_PREFIX):
        from pipeline.teachers.smp_weights import fetch_from_hub

        return _smp(fetch_from_hub(spec.removeprefix(HUB_PREFIX)), options)
    if spec in plugin_names():
        return [load_plugin(spec, options)]
    path = Path(spec).expanduser()
    if path.is_dir() or path.suffix == ".safetensors":
        return _smp(path, options)
    names = ", ".join([*TEACHERS, *plugin_names()])
    raise UserError(
        f"expected a teacher out of {names}, {ONNX_PREFIX}FILE, a directory or .safetensors file with weights, or "
        f"{HUB_PREFIX}OWNER/NAME, found {spec!r}"
    )


def _smp(path: Path, options: TeacherOptions, *, known_to_fit: bool = False) -> list[Teacher]:
    from pipeline.teachers.smp_weights import load_smp

    loaded = load_smp(path)
    if not known_to_fit:
        loaded.network()
    person_class = options.person_class
    if person_class is None:
        if loaded.classes > 2:
            raise UserError(
                f"expected --person-class with the {loaded.classes} classes of {path}, found none; "
                f"give the one of 0 to {loaded.classes - 1} that is person"
            )
        person_class = loaded.classes - 1
    if not 0 <= person_class < loaded.classes:
        raise UserError(f"expected a --person-class from 0 to {loaded.classes - 1} for {path}, found {person_class}")
    return _of_sizes(loaded.network, loaded.name, person_class, options, fitted_px=loaded.input_px)


def _of_sizes(
    network: "Callable[[], torch.nn.Module]",
    name: str,
    person_class: int,
    options: TeacherOptions,
    *,
    fitted_px: int = DEFAULT_INPUT_PX,
) -> list[Teacher]:
    """One teacher per input size; they share the network."""
    from pipeline.teachers.network import NetworkTeacher, use_bf16

    device = pick_device(options.device)
    return [
        NetworkTeacher(
            network,
            name=name,
            person_class=person_class,
            input_px=input_px,
            device=device,
            bf16=use_bf16(options.precision, device),
            batch_size=options.batch_size,
        )
        for input_px in options.input_px or (fitted_px,)
    ]


def on_gpu(options: TeacherOptions) -> bool:
    """Whether these options put a network on a GPU; UserError as load_teacher."""
    return options.device != "cpu" and pick_device(options.device).type == "cuda"


def pick_device(name: str) -> "torch.device":
    """Resolve --device; UserError when this machine doesn't have it."""
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if gpus else "cpu")
    kind, _, index = name.partition(":")
    if name == "cpu" or (kind == "cuda" and (index or "0").isdecimal() and int(index or 0) < gpus):
        return torch.device(name)
    raise UserError(f"expected --device auto, cpu, or cuda:N with N below {gpus}, found {name!r}; use --device cpu")


def _refuse_network_options(spec: str, options: TeacherOptions) -> None:
    if options.input_px or options.person_class is not None:
        raise UserError(f"expected --input-px and --person-class only with torch networks, found the teacher {spec}")
