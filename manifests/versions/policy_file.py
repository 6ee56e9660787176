"""A selection's policy: a TOML file whose keys state which accepted rows to take.

An absent key leaves nothing out.

    sources = ["studio", "web"]      # names of datasets
    licences = ["CC0", "CC BY 4.0"]  # as in the column; "" takes rows without one
    origins = ["ground_truth", "face_crop", "teacher", "edited"]
    min_votes = 2                    # reviewers who have a standing verdict on the mask
    max_doubt = 0.4                  # 0..1
    min_face_px = 64                 # shorter side of the face, in source pixels
    exclude_reasons = ["hair"]       # of a standing reject that was outvoted
    leave_out_fold = "2/5"           # without the second fifth of the train split, whole near-duplicate groups

A null doesn't pass a limit. Ground truth is trusted without reviews: it needs no votes and no doubt. A mask
that a reviewer repaired needs no doubt.
"""

import re
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from manifests.errors import UserError
from manifests.store.schema import Origin


@dataclass(frozen=True, slots=True)
class SelectionPolicy:
    """Which accepted rows to take; None takes all. The module's docstring defines the keys."""

    sources: tuple[str, ...] | None = None
    licences: tuple[str, ...] | None = None
    origins: tuple[str, ...] | None = None
    min_votes: int | None = None
    max_doubt: float | None = None
    min_face_px: float | None = None
    exclude_reasons: tuple[str, ...] | None = None
    leave_out_fold: str | None = None

    @classmethod
    def read(cls, path: Path) -> "SelectionPolicy":
        """Read a policy from a TOML file; UserError lists all its problems."""
        try:
            content = tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError as error:
            raise UserError(f"expected a policy at {path}, found no file; write one, see docs/dataset.md") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UserError(f"expected TOML in {path}, found: {error}; mend that line") from error
        problems = [problem for key, value in content.items() if (problem := _problem(key, value))]
        if problems:
            raise UserError(f"expected a policy in {path}, found {'; '.join(problems)}; see docs/dataset.md")
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in content.items()
        }
        return cls(**fields)

    @property
    def entries(self) -> dict[str, Any]:
        """The keys that are set, in the metadata's form."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
            if value is not None
        }


def _problem(key: str, value: object) -> str | None:
    """The problem of one entry of a policy; None without a problem."""
    if key not in _EXPECTED:
        return f"the unknown key {key} (known: {', '.join(_EXPECTED)})"
    what, fits = _EXPECTED[key]
    return None if fits(value) else f"{key} = {ascii(value)[:60]} instead of {what}"


def _is_words(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(word, str) for word in value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_fold(value: object) -> bool:
    match = re.fullmatch(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})", value) if isinstance(value, str) else None
    return match is not None and int(match[2]) >= 2 and int(match[1]) <= int(match[2])


_ORIGINS = get_args(Origin)
_WORDS = "a list of texts, at least one", _is_words
_EXPECTED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "sources": _WORDS,
    "licences": _WORDS,
    "origins": (f"a list of {', '.join(_ORIGINS)}", lambda value: _is_words(value) and set(value) <= set(_ORIGINS)),
    "min_votes": (
        "a whole number from 0 on",
        lambda value: _is_number(value) and isinstance(value, int) and 0 <= value < 2**31,
    ),
    "max_doubt": ("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1),
    "min_face_px": ("a number of pixels from 0 on", lambda value: _is_number(value) and 0 <= value < float("inf")),
    "exclude_reasons": _WORDS,
    "leave_out_fold": ('a text such as "2/5", the second of five folds', _is_fold),
}
