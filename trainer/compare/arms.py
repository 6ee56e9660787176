"""The arms of a comparison: named options of trainer.fit, checked before the first run starts."""

import re
import shlex
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from trainer.fit.options import add_run_options, check_run_options

RESERVED = {  # options that no arm may have, and why
    "output": "the comparison sets it for each run",
    "seed": "the comparison sets it for each run",
    "minutes": "the comparison fits every run to its end",
}


class WrongArms(ValueError):
    """One line per wrong arm."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a comparison. `own` is the user's text, `words` are all its options of trainer.fit."""

    name: str
    own: str
    words: tuple[str, ...]
    options: Namespace

    @property
    def manifest(self) -> Path | None:
        """Its own manifest; None: the comparison's."""
        manifest: Path | None = self.options.manifest
        return manifest

    @property
    def slug(self) -> str:
        """Its name as a directory's name."""
        return _slug(self.name)


def read_arms(texts: Sequence[str], shared: str) -> list[Arm]:
    """Parse NAME=OPTIONS, with the `shared` options before each arm's own; WrongArms lists all problems."""
    common, _, problem = _checked("--fit", [], shared)
    if problem:
        raise WrongArms(problem)
    arms, problems = [], []
    for text in texts:
        name, _, own = text.partition("=")
        words, options, problem = _checked(f"--arm {name!r}", common, own)
        if "=" not in text or not _slug(name):
            problem = f"--arm: expected NAME=OPTIONS, found {text!r}"
        if options is None or problem:
            problems.append(problem)
        else:
            arms.append(Arm(name.strip(), own.strip(), tuple(words), options))
    counts = Counter(_slug(text.partition("=")[0]) for text in texts)
    problems += [f"--arm: expected different names, found {slug!r} twice" for slug, n in counts.items() if n > 1]
    if problems:
        raise WrongArms("\n".join(problems))
    return arms


class _ArmParser(ArgumentParser):
    """Options of trainer.fit; an error raises WrongArms instead of exiting."""

    def __init__(self) -> None:
        super().__init__(add_help=False)
        self.add_argument("-h", "--help", action="store_true")
        add_run_options(self, manifest_required=False)
        self.set_defaults(**dict.fromkeys(RESERVED))

    def error(self, message: str) -> NoReturn:
        raise WrongArms(message)


def _checked(where: str, common: Sequence[str], text: str) -> tuple[list[str], Namespace | None, str]:
    """Parse `common` and `text`: all words, their options, and the problem, empty without one."""
    try:
        words = [*common, *shlex.split(text)]
    except ValueError as error:
        return [], None, f"{where}: {error} in {text!r}"
    parser = _ArmParser()
    try:
        options = parser.parse_args(words)
        check_run_options(parser, options)
    except WrongArms as error:
        return words, None, f"{where}: {error}"
    if options.help:
        return words, None, f"{where}: expected options of a run, found --help"
    reserved = [
        f"--{name} can't be given: {why}" for name, why in RESERVED.items() if getattr(options, name) is not None
    ]
    return words, options, f"{where}: {'; '.join(reserved)}" if reserved else ""


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
