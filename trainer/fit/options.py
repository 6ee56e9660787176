"""The command-line options of `python -m trainer.fit`: one for each choice of a recipe, with the preset as default."""

import argparse
import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from manifests.cli.arguments import CommandParser
from manifests.cli.converters import not_negative, not_negative_float, number, positive, share
from manifests.files.storage import place
from trainer.data.augmentation_presets import AUGMENTATIONS
from trainer.fit.contradictions import contradictions
from trainer.fit.recipe import DECAY_RULES, MEANINGS, PRESETS, Recipe
from trainer.fit.schedule import SCHEDULES
from trainer.models import MODELS, PREFIX
from trainer.weights.checkpoint_files import STARTER, checkpoint_path

SIZE_PX = 224  # SINet, section 4

# Keys of tables in modules that load torch; tests compare them.
BRANCHES = ("paper", "k3p1", "k3p2", "k3p4", "k5p1", "k5p2", "k5p4")
GATES = ("ib", "reverse", "none", "gau")
LOSSES = ("cross_entropy", "lovasz", "dice", "focal")
DISTILL_LOSSES = ("ce", "cwd", "bpkd")
TRACKERS = ("trackio", "mlflow", "wandb")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a run; a wrong one exits with status 2 and a line of explanation."""
    parser = CommandParser(
        "python -m trainer.fit",
        description="Fit a network on the accepted rows of a manifest. The same command resumes an interrupted run.",
        example="--init starter --manifest manifests/v3.parquet",
    )
    add_run_options(parser)
    options = parser.parse_args(arguments)
    check_run_options(parser, options)
    return options


def add_run_options(parser: argparse.ArgumentParser, *, manifest_required: bool = True) -> None:
    """Add every option of a run."""
    add = parser.add_argument
    add("--manifest", type=place, required=manifest_required, help="manifests/v<N>.parquet, or URL")
    models = f"{', '.join(MODELS)} or {PREFIX}ARCHITECTURE:ENCODER"
    add("--model", type=_model, default="sinet", help=f"{models} (default: %(default)s)")
    add("--gate", choices=GATES, help="of sinet: what passes to the decoder (default: ib)")
    add("--branches", choices=BRANCHES, help="of sinet: its modules' branches (default: paper)")
    add("--encoder-weights", choices=("none", "imagenet"), default="none", help="of smp networks")
    begin = f"start from a checkpoint, from SINet.pth or from {STARTER} (default: random weights)"
    add("--init", type=checkpoint_path, metavar="PATH", help=begin)
    add("--output", type=Path, help="the run's directory (default: runs/MODEL-v<N>)")
    add("--preset", choices=PRESETS, help="the recipe (default: fine_tune with --init, else default)")
    add("--size", type=_side, help=f"image side in pixels (default: that of --init, else {SIZE_PX})")
    add("--seed", type=not_negative, default=0, help="(default: %(default)s)")
    add("--limit", type=positive, help="train on the first N rows only, for learning curves")
    source = "draw a source's rows W times as often as those of weight 1; repeatable"
    add("--weight", type=_source_weight, action="append", default=[], metavar="SOURCE=W", help=source)
    folder = "images without people, for --composite-prob and --negatives (default: pieces of the training images)"
    add("--backgrounds", type=Path, metavar="DIR", help=folder)
    teachers = "networks whose mean probability is mixed into the masks: .onnx files, checkpoints, runs"
    add("--distill", type=checkpoint_path, nargs="+", default=[], metavar="PATH", help=teachers)
    live = "networks that see every augmented crop during training, whose mean probability is a further target"
    add("--distill-live", type=checkpoint_path, nargs="+", default=[], metavar="PATH", help=live)
    sitting = "stop after the epoch in which M minutes are over; the same command resumes (default: no limit)"
    add("--minutes", type=number(float, 1e-9, math.inf, "a number above 0"), metavar="M", help=sitting)
    tracking = "trackers that get the choices and each epoch's metrics, beside TensorBoard's files (default: none)"
    add("--logger", choices=TRACKERS, nargs="+", default=[], help=tracking)
    add("--skip-bad", action="store_true", help="skip rows whose blobs are missing or altered")
    add("--precision", choices=("fp32", "bf16"), default="fp32", help="(default: %(default)s)")
    worth_it = "torch.compile, which takes a minute (default: in runs long enough to gain by it)"
    add("--compile", action=argparse.BooleanOptionalAction, help=worth_it)
    add("--data", type=place, help="data root (default: the one the manifest records)")
    add("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    add("--devices", type=positive, help="processes, one on each device (default: 1)")
    add_recipe_options(parser)


def check_run_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Complete --distill with soft masks; a contradiction is the parser's error."""
    if options.distill and options.soft_masks is None:
        options.soft_masks = True
    if options.distill and not options.soft_masks:
        parser.error("argument --distill: expected no --no-soft-masks beside it: teachers' probabilities are shares")
    recipe, live = recipe_from(options), bool(options.distill_live)
    problems = contradictions(recipe, stored_teachers=bool(options.distill), live_teachers=live)
    if problems:
        parser.error("; ".join(problems))


def recipe_from(options: argparse.Namespace) -> Recipe:
    """The preset, with the options given in place of its values; a start from fitted weights has its own preset."""
    values = {entry.name: getattr(options, entry.name) for entry in dataclasses.fields(Recipe)}
    changed = {name: value for name, value in values.items() if value is not None}
    preset = options.preset or ("fine_tune" if options.init else "default")
    return dataclasses.replace(PRESETS[preset](), **changed)


_CHOICES: dict[str, Iterable[str]] = {
    "schedule": SCHEDULES,
    "loss": LOSSES,
    "distill_loss": DISTILL_LOSSES,
    "decay_rule": DECAY_RULES,
    "augmentation": AUGMENTATIONS,
}
_RECIPE_NUMBERS: dict[str, Callable[[str], float]] = {
    "epochs": positive,
    "encoder_epochs": not_negative,
    "batch_size": positive,
    "encoder_batch_size": positive,
    "learning_rate": number(float, 1e-12, math.inf, "a number above 0"),
    "low_res_epochs": share,
    "low_res_scale": share,
    "composite_prob": share,
    "negatives": share,
    "distill_share": share,
    "temperature": number(float, 1e-3, math.inf, "a number of at least 0.001"),
}


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each choice of a recipe; its help states the default preset's value."""
    group = parser.add_argument_group("recipe", "each overrides the preset; defaults are those of --preset default")
    defaults = PRESETS["default"]()
    for entry in dataclasses.fields(Recipe):
        name, option = entry.name, "--" + entry.name.replace("_", "-")
        default = getattr(defaults, name)
        text = f"{MEANINGS[name]} (default: {('yes' if default else 'no') if entry.type is bool else default})"
        if name in _CHOICES:
            group.add_argument(option, choices=_CHOICES[name], help=text)
        elif entry.type is bool:
            group.add_argument(option, action=argparse.BooleanOptionalAction, help=text)
        elif name.endswith("boundary_px"):
            group.add_argument(option, type=_odd, metavar="PX", help=text)
        else:
            converter = _RECIPE_NUMBERS.get(name, not_negative_float)
            group.add_argument(option, type=converter, metavar="X" if entry.type is float else "N", help=text)


def _model(text: str) -> str:
    """An argparse type: a network's name."""
    if text not in MODELS and not text.startswith(PREFIX):
        raise argparse.ArgumentTypeError(
            f"expected {', '.join(MODELS)} or {PREFIX}ARCHITECTURE:ENCODER, found {text!r}"
        )
    return text


def _side(text: str) -> int:
    """An argparse type: an image side every network here can take."""
    value = positive(text)
    if value % 32:
        raise argparse.ArgumentTypeError(f"expected a multiple of 32, found {text!r}")
    return value


def _odd(text: str) -> int:
    """An argparse type: the side of a window with a middle."""
    value = positive(text)
    if value % 2 == 0:
        raise argparse.ArgumentTypeError(f"expected an odd number, found {text!r}")
    return value


def _source_weight(text: str) -> tuple[str, float]:
    """An argparse type: SOURCE=W."""
    source, _, weight = text.rpartition("=")
    if not source:
        raise argparse.ArgumentTypeError(f"expected SOURCE=W, found {text!r}")
    return source, not_negative_float(weight)
