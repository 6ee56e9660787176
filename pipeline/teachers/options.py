"""Options of a teacher, besides which one it is."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass

from manifests.errors import UserError
from pipeline.teachers.refine import REFINEMENTS

DEFAULT_INPUT_PX = 512  # of networks that don't record the size they were fitted on
MIN_INPUT_PX, MAX_INPUT_PX = 32, 4096
CPU_BATCH_SIZE = 1  # one image per thread keeps the cores busier than threads within a batch
GPU_BATCH_SIZE = 16
PRECISIONS = ("auto", "fp32", "bf16")
REFINEMENT_NAMES = ("none", *REFINEMENTS)


@dataclass(frozen=True, slots=True)
class TeacherOptions:
    """Options of one run. UserError for a value that no teacher takes."""

    # longer side of a torch network's input; several: their mean. Empty: what it was fitted on, or 512
    input_px: tuple[int, ...] = ()
    person_class: int | None = None  # of a torch network with more than two classes
    flip: bool = False  # average with the mirrored image
    tile_px: int = 0  # images with a longer side are predicted in tiles, too; 0: never
    refine: str = "none"  # one of REFINEMENT_NAMES
    device: str = "auto"
    precision: str = "auto"  # one of PRECISIONS; auto: bf16 where the device is fast at it
    batch_size: int | None = None  # portraits at a time; None: 1 on a CPU, 16 on a GPU

    def __post_init__(self) -> None:
        if any(not MIN_INPUT_PX <= side <= MAX_INPUT_PX for side in self.input_px):
            sides = ", ".join(map(str, self.input_px))
            raise UserError(f"expected --input-px from {MIN_INPUT_PX} to {MAX_INPUT_PX}, found {sides}")
        if self.tile_px and self.tile_px < 128:
            raise UserError(f"expected --tile-px of at least 128, found {self.tile_px}")
        if self.refine not in REFINEMENT_NAMES:
            raise UserError(f"expected --refine out of {', '.join(REFINEMENT_NAMES)}, found {self.refine!r}")
        if self.precision not in PRECISIONS:
            raise UserError(f"expected --precision out of {', '.join(PRECISIONS)}, found {self.precision!r}")
        if self.batch_size is not None and self.batch_size < 1:
            raise UserError(f"expected a --batch-size of at least 1, found {self.batch_size}")


def add_teacher_options(parser: ArgumentParser) -> None:
    """Add a command-line option for each field."""
    add = parser.add_argument_group("teacher options").add_argument
    add("--input-px", type=int, nargs="+", default=(), metavar="PX", help="longer side of a torch network's input; "
        f"several: the mean of all (default: what it was fitted on, or {DEFAULT_INPUT_PX})")  # fmt: skip
    add("--person-class", type=int, help="of a torch network with more than two classes")
    add("--flip", action="store_true", help="average with the mirrored image")
    add("--tile-px", type=int, default=0, help="predict images with a longer side in tiles of this side, too")
    add("--refine", choices=REFINEMENT_NAMES, default="none", help="refine the mask's edge (default: %(default)s)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    add("--precision", choices=PRECISIONS, default="auto", help="auto: bf16 where it is fast (default: %(default)s)")
    add("--batch-size", type=int, help=f"portraits at a time (default: {CPU_BATCH_SIZE}, on a GPU {GPU_BATCH_SIZE})")


def teacher_options(parsed: Namespace) -> TeacherOptions:
    """Build the options from parsed arguments."""
    values = {name: getattr(parsed, name) for name in TeacherOptions.__slots__}
    return TeacherOptions(**values | {"input_px": tuple(parsed.input_px)})
