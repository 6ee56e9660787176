"""The arms of a comparison: named options of trainer.fit, checked before the first run starts."""

import contextlib
import io
import re
import shlex
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.fit.options import parse

# Stand-ins for what the comparison gives to each run; whatever else comes out of `parse`, an arm gave itself.
GIVEN = {"manifest": Path("given by trainer.compare"), "output": Path("given by trainer.compare"), "seed": 2**53 + 1}
NEVER_OWN = ("output", "seed")


class WrongArms(ValueError):
    """Its text has one line for each arm that is wrong."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a comparison. `own` is what its user typed, `words` all its options of trainer.fit."""

    name: str
    own: str
    words: tuple[str, ...]
    options: Namespace

    @property
    def manifest(self) -> Path | None:
        """Its own; None: the comparison's."""
        return None if self.options.manifest == GIVEN["manifest"] else self.options.manifest

    @property
    def slug(self) -> str:
        """Its name as that of a directory."""
        return _slug(self.name)


def read_arms(texts: Sequence[str], shared: str) -> list[Arm]:
    """NAME=OPTIONS, each with the `shared` options before its own; WrongArms tells all that is wrong at once."""
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
    problems += [f"--arm: expected names that differ, found {slug!r} twice" for slug, n in counts.items() if n > 1]
    if problems:
        raise WrongArms("\n".join(problems))
    return arms


def _checked(where: str, common: Sequence[str], text: str) -> tuple[list[str], Namespace | None, str]:
    """All words, what they mean, and what is wrong with them."""
    try:
        words = [*common, *shlex.split(text)]
    except ValueError as error:
        return [], None, f"{where}: {error} in {text!r}"
    told = io.StringIO()
    given = [word for name, value in GIVEN.items() for word in (f"--{name}", str(value))]
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
            options = parse([*given, *words])
    except SystemExit:
        message = told.getvalue().strip().rpartition(": error: ")[2]
        return words, None, f"{where}: {message or 'expected options of a run, found --help'}"
    taken = [f"--{name}" for name in NEVER_OWN if getattr(options, name) != GIVEN[name]]
    problem = f"{where}: {' and '.join(taken)} can't be given, the comparison does that" if taken else ""
    return words, options, problem


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
