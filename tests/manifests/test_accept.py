"""`accept`: part of the queue without a look, its audit, what the rows carry, and how people's verdicts win."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
from audited_queue import ROWS, audit_masks, queue_in_halves
from made_rows import commit, rows

from manifests.__main__ import main
from manifests.bench.acceptance import SCENARIOS, simulate
from manifests.decisions.accept import AcceptOptions, BoundNotReached, accept
from manifests.decisions.acceptance import Queue, bounds, forecasts, next_part
from manifests.decisions.audit import Verdicts, audit_order, audited, verdicts_on
from manifests.decisions.decision import LABEL_QUALITY, Decision, MaskKey
from manifests.decisions.error_bound import GoldCounts
from manifests.decisions.gold_verdicts import gold_counts
from manifests.decisions.log import DecisionLog
from manifests.decisions.policy import MaskVerdict, Policy
from manifests.decisions.publish import publish, verdict_columns
from manifests.errors import UserError
from manifests.report.write import write_report
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import SCHEMA
from manifests.store.validation import ManifestInvalid, validate
from manifests.upkeep.stats import Statistics, describe
from manifests.versions.restore import restore

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
OPTIONS = AcceptOptions(0.05)


@pytest.fixture
def store(tmp_path: Path) -> ManifestStore:
    return queue_in_halves(tmp_path)


def judge(log: DecisionLog, masks: Sequence[MaskKey], verdict: str = "accept", reviewer: str = "ana") -> None:
    log.append(
        Decision(f"{reviewer}:{mask[0]}:{verdict}", *mask, verdict, reviewer, NOON)  # type: ignore[arg-type]
        for mask in masks
    )


def accepted(manifest: Manifest) -> pa.Table:
    table = manifest.read(["sample_id", "mask_sha256", "status", "reviewers", "votes_accept", "decided_by", "doubt"])
    return table.filter(pa.compute.is_valid(table["decided_by"]))


def test_the_order_depends_on_nothing_but_the_seed_and_the_masks() -> None:
    ids, masks = [f"{number:032x}" for number in range(50)], ["a" * 64] * 50
    order = audit_order(ids, masks)
    assert sorted(order.tolist()) == list(range(50))
    assert order.tolist() != list(range(50))
    backwards = audit_order(ids[::-1], masks)
    assert [ids[::-1][place] for place in backwards] == [ids[place] for place in order]
    assert audit_order(ids, masks, seed=1).tolist() != order.tolist()


def test_an_audit_ends_at_the_first_mask_without_a_verdict() -> None:
    judged = np.array([True, False, True, True])
    assert audited(judged, np.array([3, 0, 1, 2])).tolist() == [3, 0]
    assert audited(judged, np.array([1, 0, 2, 3])).tolist() == []
    assert audited(np.ones(2, bool), np.array([1, 0])).tolist() == [1, 0]


def test_rejected_disputed_and_skipped_masks_are_wrong_and_flags_of_scores_count_nothing() -> None:
    masks = [(f"{number:032x}", "a" * 64) for number in range(5)]
    given = [(0, "accept", "ana"), (1, "reject", "ana"), (2, "accept", "ana"), (2, "reject", "ben"), (3, "skip", "ana"),
             (4, "skip", LABEL_QUALITY)]  # fmt: skip
    decisions = [Decision(str(i), *masks[n], verdict, who, NOON) for i, (n, verdict, who) in enumerate(given)]
    verdicts = verdicts_on(masks, decisions)
    assert verdicts.judged.tolist() == [True, True, True, True, False]
    assert verdicts.wrong.tolist() == [False, True, True, True, False]
    assert verdicts.reviewers[2] == {"ana", "ben"}


def test_accepted_rows_name_the_policy_and_no_person(store: ManifestStore, log: DecisionLog) -> None:
    judge(log, audit_masks(store, 200))
    done = accept(store, store.open(1), log, OPTIONS)
    table = accepted(done.manifest)
    assert table.num_rows == len(done.bound.rest) == ROWS // 2 - 200
    assert set(table["status"].to_pylist()) == {"accepted"}
    assert set(map(tuple, table["reviewers"].to_pylist())) == {()}
    assert set(table["votes_accept"].to_pylist()) == {0}
    assert max(table["doubt"].to_pylist()) <= 0.00301
    assert set(table["decided_by"].to_pylist()) == {"policy max-error 0.05, doubt at most 0.003, 95% confidence, v2"}
    judged = {mask[0] for mask in audit_masks(store, 200)}
    assert judged.isdisjoint(table["sample_id"].to_pylist())
    facts = done.manifest.parameters
    assert (done.manifest.operation, facts["audit_looks"], facts["audit_wrong"], facts["seed"]) == ("accept", 200, 0, 0)
    assert facts["wrong_limit"] <= 0.05 * facts["accepted"]
    assert done.manifest.counts == {"rows": ROWS, "accepted": 400, "pending": 800, "accepted by policy": 400}


def test_an_audit_that_is_too_small_accepts_nothing(store: ManifestStore, log: DecisionLog) -> None:
    judge(log, audit_masks(store, 20))
    with pytest.raises(BoundNotReached, match=r"expected a part .* more than 5.00% of cases, found .* after 20 audit"):
        accept(store, store.open(1), log, OPTIONS)
    assert store.latest() == 1


def test_verdicts_out_of_order_are_no_audit(store: ManifestStore, log: DecisionLog) -> None:
    (first,) = audit_masks(store, 1, quantile=0.25)  # it is in every part
    judge(log, [mask for mask in audit_masks(store, 300) if mask != first])
    with pytest.raises(BoundNotReached):
        accept(store, store.open(1), log, OPTIONS)


def test_wrong_masks_in_the_audit_raise_the_limit(store: ManifestStore, log: DecisionLog) -> None:
    masks = audit_masks(store, 200)
    queue, order = Queue.of(store.open(1)), Queue.of(store.open(1)).order(0)
    judge(log, masks)
    clean = bounds(queue, verdicts_on(queue.keys, log.standing()), order)
    judge(log, masks[:6], "reject")
    found = bounds(queue, verdicts_on(queue.keys, log.standing()), order)
    half = [bound.part.rows for bound in found].index(ROWS // 2)
    assert (found[half].wrong, clean[half].wrong) == (6, 0)
    assert found[half].limit > clean[half].limit
    with pytest.raises(UserError, match=r"doubt predicts, found 6 \(chance"):  # 200 masks of a doubt of 0.002
        accept(store, store.open(1), log, AcceptOptions(0.15))
    assert accept(store, store.open(1), log, AcceptOptions(0.15, allow_misfit=True)).bound.wrong == 6


def test_false_accepts_on_gold_are_part_of_the_limit(store: ManifestStore) -> None:
    queue, order = Queue.of(store.open(1)), Queue.of(store.open(1)).order(0)
    judged = np.isin([key[0] for key in queue.keys], [mask[0] for mask in audit_masks(store, 250)])
    verdicts = Verdicts(judged, np.zeros(len(queue), bool), {})
    counts = (None, GoldCounts(0, 400), GoldCounts(80, 400))
    limits = [bounds(queue, verdicts, order, gold=gold)[2].limit for gold in counts]
    assert limits == sorted(set(limits))
    assert bounds(queue, verdicts, order, gold=GoldCounts(9, 9))[2].share_limit == 1.0


def test_gold_of_the_decision_log_counts_damaged_masks_and_the_named_people(log: DecisionLog) -> None:
    gold = [(f"{number:032x}", "c" * 64) for number in range(4)]
    assert gold_counts(log, [], {"ana"}) is None  # before the page made any
    with log.writing() as connection:
        connection.execute(sa.text("CREATE TABLE gold_samples (sample_id TEXT, mask_sha256 TEXT, right_verdict TEXT)"))
        for place, (sample_id, mask) in enumerate(gold):
            right = "accept" if place == 3 else "reject"
            connection.execute(sa.text(f"INSERT INTO gold_samples VALUES ('{sample_id}', '{mask}', '{right}')"))
    given = [(0, "accept", "ana"), (1, "reject", "ana"), (2, "skip", "ana"), (3, "accept", "ana"), (0, "accept", "ben")]
    decisions = [
        Decision(str(i), *gold[n], verdict, who, NOON, purpose="gold")  # type: ignore[arg-type]
        for i, (n, verdict, who) in enumerate(given)
    ]
    assert gold_counts(log, decisions, {"ana"}) == GoldCounts(1, 2)
    assert gold_counts(log, decisions) == GoldCounts(2, 3)
    assert gold_counts(log, decisions, {"cleo"}) is None


def test_a_persons_later_verdict_wins_and_the_policy_is_gone(store: ManifestStore, log: DecisionLog) -> None:
    judge(log, audit_masks(store, 200))
    done = accept(store, store.open(1), log, OPTIONS)
    first, second = accepted(done.manifest).select(["sample_id", "mask_sha256"]).to_pylist()[:2]
    judge(log, [tuple(first.values())], "reject", "ben")
    judge(log, [tuple(second.values())], "accept", "ben")
    table = publish(store, log).read(["sample_id", "status", "reviewers", "decided_by"])
    found = {row["sample_id"]: row for row in table.to_pylist()}
    assert found[first["sample_id"]] == {
        "sample_id": first["sample_id"], "status": "rejected", "reviewers": ["ben"], "decided_by": None
    }  # fmt: skip
    assert found[second["sample_id"]]["reviewers"] == ["ben"]
    assert found[second["sample_id"]]["decided_by"] is None
    assert sum(row["decided_by"] is not None for row in found.values()) == 398


def test_votes_that_settle_nothing_leave_the_policys_acceptance(store: ManifestStore, log: DecisionLog) -> None:
    judge(log, audit_masks(store, 200))
    mask = audit_masks(store, 300)[-1]
    judge(log, [mask], reviewer="ben")
    log.undo(f"ben:{mask[0]}:accept", reviewer="ben", now=NOON)
    accept(store, store.open(1), log, OPTIONS)
    other = audit_masks(store, 301)[-1]
    judge(log, [other], "reject", "ben")  # one of two votes wanted
    table = accepted(publish(store, log, Policy(votes=2)))
    assert {mask[0], other[0]} <= set(table["sample_id"].to_pylist())


def test_restore_takes_it_back(store: ManifestStore, log: DecisionLog) -> None:
    judge(log, audit_masks(store, 200))
    accept(store, store.open(1), log, OPTIONS)
    for name in ("image", "mask"):
        for path in store.open(1).read([name])[name].to_pylist():
            (store.root.parent / "data" / path).parent.mkdir(parents=True, exist_ok=True)
            (store.root.parent / "data" / path).touch()
    assert restore(store, store.open(1), log).manifest.read().equals(store.open(1).read())


def test_masks_that_were_published_since_the_audit_began_stay_as_they_are(
    store: ManifestStore, log: DecisionLog
) -> None:
    judge(log, audit_masks(store, 200))
    judge(log, audit_masks(store, 210)[205:], "reject", "ben")  # behind the audit: known wrong, not accepted
    publish(store, log)
    done = accept(store, store.open(1), log, OPTIONS)
    assert (done.manifest.version, len(done.bound.rest), len(done.bound.looked)) == (3, 395, 200)
    assert done.manifest.counts["rejected"] == 5
    with pytest.raises(BoundNotReached, match=r"queue of v3 .* after 0 audit looks"):  # another queue, another audit
        accept(store, store.open(3), log, OPTIONS)


def test_masks_that_got_a_rival_since_the_audit_began_stay_as_they_are(store: ManifestStore, log: DecisionLog) -> None:
    judge(log, audit_masks(store, 200))
    paired = {mask[0] for mask in audit_masks(store, 210)[200:]}

    def add_rivals(table: pa.Table | None, _version: int) -> pa.Table:
        assert table is not None
        rival = {"rival_mask_sha256": "f" * 64, "rival_teacher": "other@ba9876543210", "rival_iou": 0.5}
        rows = [row | rival if row["sample_id"] in paired else row for row in table.to_pylist()]
        return pa.Table.from_pylist(rows, schema=SCHEMA)

    store.update(add_rivals, operation="relabel", parameters={}, data_root=store.data_root())
    done = accept(store, store.open(1), log, OPTIONS)
    assert not paired & set(accepted(done.manifest)["sample_id"].to_pylist())
    assert len(done.bound.rest) == 390
    assert Queue.of(store.open(2)).paired == 10


def test_a_queue_without_doubt_is_refused(tmp_path: Path) -> None:
    store = ManifestStore(tmp_path / "manifests")
    commit(store, rows(3), None)
    with pytest.raises(
        UserError, match=r"expected pending rows with one mask and doubt in .*v1.parquet, found 3 without"
    ):
        Queue.of(store.open())


def test_what_the_audit_finds_moves_it_to_another_part(store: ManifestStore) -> None:
    """Doubt predicts too many wrong masks for every part; 200 right ones of the half change that for all but one."""
    queue = Queue.of(store.open(1))
    pessimistic = Queue(queue.keys, np.linspace(0.1, 0.4, ROWS, dtype=np.float32), 0)
    order, nobody = pessimistic.order(0), np.zeros(ROWS, bool)

    def best(judged: np.ndarray) -> int:
        found = bounds(pessimistic, Verdicts(judged, nobody, {}), order)
        return next_part(forecasts(pessimistic, found, max_error=0.1)).part.rows

    judged = nobody.copy()
    judged[order[pessimistic.doubts[order] <= 0.25][:200]] = True
    assert (best(nobody), best(judged)) == (ROWS // 2, ROWS)


def test_a_row_decided_by_a_policy_has_no_votes() -> None:
    validate(rows(1, status="accepted", decided_by="policy"))
    for changes in ({"status": "pending"}, {"status": "accepted", "votes_accept": 1}):
        with pytest.raises(ManifestInvalid, match="decided by a policy"):
            validate(rows(1, decided_by="policy", **changes))


def test_stats_and_report_count_what_a_policy_accepted_apart(
    store: ManifestStore, log: DecisionLog, tmp_path: Path
) -> None:
    judge(log, audit_masks(store, 200))
    numbers = Statistics(accept(store, store.open(1), log, OPTIONS).manifest)
    text = describe(numbers)
    assert "samples accepted by a policy, without a look" in text
    assert text.split("95% confidence, v2")[1].split()[0] == "400"
    write_report(numbers, tmp_path / "report.html", portraits_drawn=0)
    assert "400 of the accepted samples were accepted by a policy, without a look." in (
        tmp_path / "report.html"
    ).read_text("utf-8")


def test_another_mask_is_decided_by_nobody() -> None:
    assert verdict_columns(MaskVerdict(()))["decided_by"] is None


def test_the_command_plans_and_accepts(
    store: ManifestStore, log: DecisionLog, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["accept", "--max-error", "5%", "--manifests", str(store.root)]
    main([*command, "--plan"])
    plan = capsys.readouterr().out.splitlines()
    assert f"{ROWS:,} masks with doubt wait" in plan[0]
    assert sum("<- audit this part" in line for line in plan) == 1
    assert plan[-1].startswith("python -m review_ui --manifest ")
    assert plan[-1].endswith(" --audit 0.003")
    judge(log, audit_masks(store, 200))
    main([*command, "v1", "--audit-false-accepts", "0/400"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "audit of v1, doubt at most 0.003: 200 looks, 0 wrong"
    assert lines[1].startswith("gold: 0 false accepts in 400 verdicts")
    assert lines[2].startswith("400 masks accepted without a look; at most ")
    assert lines[-1] == str(store.path(2))


@pytest.mark.parametrize("text", ["0", "1", "50%", "1 %", "1%%", "x"])
def test_a_strange_error_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["accept", "--max-error", text])
    assert "expected a share such as 1% or 0.01" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_bound_holds_in_19_of_20_queues(name: str) -> None:
    """100 queues whose wrong masks are known, at 2 %; more in docs/trust.md."""
    rng = np.random.default_rng(3)
    outcomes = [simulate(SCENARIOS[name], rng, rows=4000, max_error=0.02) for _ in range(100)]
    assert sum(outcome.wrong <= 0.02 * outcome.accepted for outcome in outcomes) >= 95
