"""Selection: the accepted rows that a policy selects, as a version under selections/.

A selection is for fitting a network or for export; it is not the next state of the dataset. So it does not become
`v<N+1>`: `publish`, `generate` and `import` start from the latest version, and would lose every row that a policy left
out; nor is there a status "left out": the next `publish` folds the verdicts again, and ground truth is always accepted.
Selections of `clean.toml` are the versions of `manifests/selections/clean/`: they have the same columns and data root,
open wherever a version does (`trainer.fit --manifest`, `show`, `diff`, `verify`), and hold only the selected rows. The
dataset's versions stay unchanged, and the next select starts from those. A selection's metadata has the policy, and
the base's version and digest.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.decisions.decision import reasons_of
from manifests.errors import UserError
from manifests.files.tombstones import Tombstones
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.version_spec import SELECTIONS
from manifests.versions.policy_file import SelectionPolicy

OPERATION = "select"

_FOLD_SALT = "maskfoundry-fold-1"  # changing it would move every group to another fold

_RULED = (
    "sample_id", "source", "license", "origin", "face_w", "face_h", "doubt", "status", "reason", "votes_accept",
    "votes_reject", "split", "group_id",
)  # fmt: skip # what a policy looks at
_Rule = Callable[[pa.Table], pa.ChunkedArray]  # rows -> which of them pass


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected rows, and the number of accepted rows that each key leaves out; several keys may leave out a row."""

    rows: pa.Table
    accepted: int
    left_out: dict[str, int]


def select(table: pa.Table, policy: SelectionPolicy) -> Selection:
    """The accepted rows of `table` that pass every rule of `policy`, in order."""
    accepted = table.filter(pc.equal(table["status"], "accepted"))
    taken = pc.is_valid(accepted["sample_id"])  # all
    left_out = {}
    for key, passes in _rules(policy).items():
        passing = pc.fill_null(passes(accepted), False)
        left_out[key] = accepted.num_rows - _count(passing)
        taken = pc.and_(taken, passing)
    return Selection(accepted.filter(taken), accepted.num_rows, left_out)


def commit_selection(store: ManifestStore, base: Manifest, policy: SelectionPolicy, *, name: str) -> Manifest:
    """Write the rows of `base` that `policy` selects as the next version in `selections/<name>`.

    Returns the latest version there if it has the same base and policy. UserError when the policy selects no row, or
    when the directory holds other operations, such as reviews: they would be lost.
    """
    selections = ManifestStore(store.root / SELECTIONS / name)
    latest = selections.open() if selections.versions() else None
    if latest is not None and latest.operation != OPERATION:
        raise UserError(
            f"expected only selections in {selections.root}, found {latest.path.name} of the operation "
            f"{latest.operation}; rename the policy's file"
        )
    columns = base.read(_RULED)
    columns = columns.append_column("place", pa.array(np.arange(columns.num_rows)))
    selection = select(Tombstones.read(base.data_root).leave_out(columns, str(base.path)), policy)
    if not selection.rows.num_rows:
        reasons = ", ".join(f"{key} leaves out {count}" for key, count in selection.left_out.items())
        raise UserError(
            f"expected accepted rows of {base.path} that the policy {name} takes, found none of {selection.accepted} "
            f"({reasons or 'no row is accepted'}); relax the policy or review more samples"
        )
    parameters: dict[str, Any] = {
        "policy": policy.entries,
        "base": base.path.name,
        "base_version": base.version,
        "base_digest": base.digest,
        "accepted": selection.accepted,
        "left_out": selection.left_out,
    }
    if latest is not None and latest.parameters == parameters:
        selections.sync()
        return latest
    return selections.commit(
        base.parts(places=selection.rows["place"].to_numpy()),
        parent=latest.version if latest else None,
        operation=OPERATION,
        parameters=parameters,
        data_root=base.data_root,
    )


def absent_names(base: Manifest, policy: SelectionPolicy) -> list[str]:
    """Lines on sources and licences of the policy that no row of `base` has: misspelt, or not imported yet."""
    table = base.read(["source", "license"])
    lines = []
    for key, wanted, column in (("sources", policy.sources, "source"), ("licences", policy.licences, "license")):
        present = set(table[column].unique().drop_null().to_pylist())
        missing = [word for word in wanted or () if word and word not in present]
        if missing:
            lines.append(f"{key}: no row has {_quoted(missing)}; the rows have {_quoted(sorted(present))}")
    return lines


def _rules(policy: SelectionPolicy) -> dict[str, _Rule]:
    """The rules of the policy's keys."""
    rules: dict[str, _Rule] = {
        "sources": lambda rows: _among(rows["source"], policy.sources),
        "licences": lambda rows: _among(pc.fill_null(rows["license"], ""), policy.licences),
        "origins": lambda rows: _among(rows["origin"], policy.origins),
        "min_votes": lambda rows: _or_trusted(
            rows, pc.greater_equal(pc.add(rows["votes_accept"], rows["votes_reject"]), policy.min_votes)
        ),
        "max_doubt": lambda rows: pc.or_kleene(
            pc.equal(rows["origin"], "edited"),
            _or_trusted(rows, pc.less_equal(rows["doubt"], _float32(policy.max_doubt))),
        ),
        "min_face_px": lambda rows: pc.greater_equal(
            pc.min_element_wise(rows["face_w"], rows["face_h"], skip_nulls=False), _float32(policy.min_face_px)
        ),
        "exclude_reasons": lambda rows: pc.invert(any_among(rows["reason"], policy.exclude_reasons)),
        "leave_out_fold": lambda rows: pc.or_(
            pc.not_equal(rows["split"], "train"), pc.invert(_in_fold(rows["group_id"], policy.leave_out_fold or "1/1"))
        ),
    }
    return {key: rule for key, rule in rules.items() if key in policy.entries}


def _among(values: pa.ChunkedArray, words: tuple[str, ...] | None) -> pa.ChunkedArray:
    return pc.is_in(values, value_set=pa.array(words or (), pa.string()))  # false for a null


def any_among(reasons: pa.ChunkedArray, words: tuple[str, ...] | None) -> pa.ChunkedArray:
    """Whether one of a row's reasons is among the words."""
    texts = reasons.unique().drop_null().to_pylist()
    return _among(reasons, tuple(text for text in texts if set(reasons_of(text)) & set(words or ())))


def _in_fold(group_ids: pa.ChunkedArray, fold: str) -> pa.ChunkedArray:
    """Which groups are in fold "K/N", the K-th of N: by a hash of their ids, the same in all versions."""
    number, count = map(int, fold.split("/"))
    ids = group_ids.unique()
    inside = [int(hashlib.sha256(f"{_FOLD_SALT}:{name}".encode()).hexdigest()[:16], 16) for name in ids.to_pylist()]
    return pc.is_in(group_ids, value_set=ids.filter(pa.array([value % count == number - 1 for value in inside])))


def _or_trusted(rows: pa.Table, passing: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.or_kleene(pc.equal(rows["origin"], "ground_truth"), passing)


def _float32(value: float | None) -> pa.Scalar:
    """The columns' type: 0.3 in a policy then equals 0.3 in a row."""
    return pa.scalar(value, pa.float32())


def _count(rows: pa.ChunkedArray) -> int:
    return int(pc.sum(rows).as_py() or 0)


def _quoted(words: list[str]) -> str:
    return ", ".join(map(repr, words)) or "none"
