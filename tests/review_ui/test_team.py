"""Several people, tabs and servers on one queue: on SQLite, and on a real PostgreSQL."""

import random
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from portrait_datasets import commit_pending, relabel
from submissions import FALLING, assign, decide, submission

from manifests.decisions.database import DatabaseAway
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.files.blobs import BlobStore
from manifests.store.manifest import ManifestStore
from review_ui.quality.gold import GoldSample
from review_ui.queue.assignments import ALIVE_SECONDS, LEASE_SECONDS
from review_ui.queue.gold_mix import REPEAT_AFTER, Rates
from review_ui.queue.live_state import LOOK_SECONDS
from review_ui.queue.messages import NextRequest
from review_ui.queue.open_samples import OpenSample
from review_ui.queue.session import ReviewSession
from review_ui.reviewer import Reviewer

ANA, BO, LEA = Reviewer("ana", "reviewer"), Reviewer("bo", "reviewer"), Reviewer("lea", "lead")
MANY = 40


class Clock:
    """A clock that tests turn forward."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def pass_seconds(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture(scope="module")
def waiting_portraits(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Path:
    """Forty real portraits wait, to be copied."""
    root = tmp_path_factory.mktemp("forty")
    commit_pending(root, portraits, [0.5] * MANY)
    return root


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "data")
    url = request.getfixturevalue("postgres_url")
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    name = f"review_{uuid.uuid4().hex}"
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.replace("/postgres", f"/{name}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


Servers = Callable[..., ReviewSession]


@pytest.fixture
def server(tmp_path: Path, waiting_portraits: Path, database_url: str, clock: Clock) -> Iterator[Servers]:
    """Starts a server's session on the forty portraits; several share database, manifests and blobs."""
    shutil.copytree(waiting_portraits, tmp_path, dirs_exist_ok=True)
    logs = []

    def start(**options: object) -> ReviewSession:
        store = ManifestStore(tmp_path / "manifests")
        logs.append(DecisionLog(database_url))
        return ReviewSession(store.open(), store, logs[-1], now=clock, rng=random.Random(0), **options)

    yield start
    for log in logs:
        log.close()


def ids(samples: list[OpenSample]) -> set[str]:
    return {sample.sample_id for sample in samples}


def test_two_people_never_get_the_same_sample(server: Servers) -> None:
    session = server()
    hers, his = assign(session, ANA, 16).samples, assign(session, BO, 16).samples
    assert len(hers) == len(his) == 16
    assert ids(hers).isdisjoint(ids(his))
    assert assign(session, ANA, 16).samples == hers


def test_people_served_in_one_transaction_never_get_the_same_sample(server: Servers) -> None:
    here, there = server(), server()
    asking = [NextRequest(reviewer, 12, "", "work") for reviewer in (ANA, BO, LEA, ANA)]
    hers, his, leas, again = (assignment.samples for assignment in here.next_all(asking))
    assert (len(hers), again) == (12, hers)
    assert len(ids(hers) | ids(his) | ids(leas)) == 36
    assert assign(there, BO, 12).samples == his


def test_two_servers_on_one_database_never_hand_out_the_same_sample(server: Servers) -> None:
    here, there = server(), server()
    assert ids(assign(here, ANA, 16).samples).isdisjoint(ids(assign(there, BO, 16).samples))
    assert ids(assign(there, ANA, 16).samples) == ids(assign(here, ANA, 16).samples)


def test_two_tabs_of_one_person_get_different_samples(server: Servers) -> None:
    session = server()
    assert ids(assign(session, ANA, 16, tab="1").samples).isdisjoint(ids(assign(session, ANA, 16, tab="2").samples))


def test_the_last_samples_of_a_dead_tab_come_to_the_persons_other_tab(server: Servers, clock: Clock) -> None:
    session = server()
    held = assign(session, ANA, MANY, tab="crashed").samples
    clock.pass_seconds(ALIVE_SECONDS + 1)
    assert assign(session, ANA, 16, tab="new").samples == held[:16]
    assert assign(session, BO, 16).samples == []


def test_a_live_tab_keeps_its_samples_for_hours(server: Servers, clock: Clock) -> None:
    here, there = server(), server()
    held = assign(here, ANA, MANY, tab="live").samples
    for _ in range(120):
        clock.pass_seconds(60)  # as the page asks
        assert assign(here, ANA, MANY, tab="live").samples == held
        assert assign(there, ANA, 16, tab="new").samples == []


def test_a_sign_of_life_costs_one_row(server: Servers, clock: Clock, database_url: str) -> None:
    session = server()
    assign(session, ANA, 16, tab="live")
    clock.pass_seconds(60)
    assign(session, ANA, 16, tab="live")
    engine = sa.create_engine(sa.make_url(database_url))
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM leases")) == 16 + 1
    engine.dispose()


def test_what_a_tab_gives_back_goes_to_others_at_once(server: Servers) -> None:
    session = server()
    held = assign(session, ANA, MANY, tab="1").samples
    assert assign(session, BO, 16).samples == []
    assert session.release(ANA, "1") == MANY
    assert assign(session, BO, 16).samples == held[:16]


def test_a_lease_that_ran_out_frees_its_samples(server: Servers, clock: Clock) -> None:
    session = server()
    held = assign(session, ANA, MANY).samples
    clock.pass_seconds(LEASE_SECONDS)
    assert assign(session, BO, MANY).samples == held


def test_a_tab_that_asks_again_keeps_its_samples_beyond_the_first_lease(server: Servers, clock: Clock) -> None:
    session = server()
    held = assign(session, ANA, MANY).samples
    for _ in range(3):
        clock.pass_seconds(LEASE_SECONDS * 0.6)
        assert assign(session, ANA, MANY).samples == held
    assert assign(session, BO, MANY).samples == []


def test_a_late_verdict_counts_while_nobody_else_has_the_sample(server: Servers, clock: Clock) -> None:
    session = server()
    sample = assign(session, ANA, 1).samples[0]
    clock.pass_seconds(LEASE_SECONDS * 2)
    assert len(decide(session, ANA, [submission(sample)]).stored) == 1


def test_a_late_verdict_is_refused_with_the_reason_once_somebody_else_has_the_sample(
    server: Servers, clock: Clock
) -> None:
    session = server()
    sample = assign(session, ANA, 1).samples[0]
    clock.pass_seconds(LEASE_SECONDS)
    assert assign(session, BO, 1).samples == [sample]
    assert "bo looking at it; your lease had ended" in decide(session, ANA, [submission(sample)]).refused[0].error
    decide(session, BO, [submission(sample)])
    assert "judged by bo; your lease had ended" in decide(session, ANA, [submission(sample)]).refused[0].error


def test_a_verdict_given_here_is_known_there(server: Servers) -> None:
    here, there = server(), server()
    sample = assign(here, ANA, 1).samples[0]
    decide(here, ANA, [submission(sample)])
    assignment = assign(there, BO, MANY)
    assert sample not in assignment.samples
    assert (assignment.remaining, assignment.progress.done) == (MANY - 1, 1)
    assert [decision.reviewer for decision in there.decisions()] == ["ana"]


def test_an_undo_here_puts_the_sample_back_on_the_tab_and_on_no_other(server: Servers) -> None:
    here, there = server(), server()
    sample = assign(here, ANA, 1, tab="1").samples[0]
    decision = submission(sample)
    decide(here, ANA, [decision])
    assign(there, BO, 1)
    here.undo(ANA, decision["decision_id"], tab="1")
    assert assign(here, ANA, 1, tab="1").samples == [sample]
    assert sample not in assign(there, BO, MANY).samples


def test_nobody_undoes_the_decision_of_somebody_else(server: Servers) -> None:
    session = server()
    decision = submission(assign(session, ANA, 1).samples[0])
    decide(session, ANA, [decision])
    with pytest.raises(Exception, match="expected a decision of bo"):
        session.undo(BO, decision["decision_id"])
    assert len(session.decisions()) == 1


def test_many_people_on_two_servers_judge_each_sample_once(server: Servers) -> None:
    servers = [server(), server()]
    people = [Reviewer(f"r{number}", "reviewer") for number in range(8)]
    problems: list[object] = []

    def work(person: Reviewer, session: ReviewSession) -> None:
        while samples := assign(session, person, 3).samples:
            problems.extend(decide(session, person, [submission(sample) for sample in samples]).refused)

    threads = [threading.Thread(target=work, args=(who, servers[at % 2])) for at, who in enumerate(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    decisions = servers[0].decisions()
    assert problems == []
    assert len(decisions) == len({decision.sample_id for decision in decisions}) == MANY


def test_two_votes_ask_two_people_and_nobody_twice(server: Servers) -> None:
    session = server(votes=2)
    hers = assign(session, ANA, MANY).samples
    decide(session, ANA, [submission(sample) for sample in hers])
    assert assign(session, ANA, MANY).samples == []
    assert assign(session, ANA, 1).remaining == MANY
    his = assign(session, BO, MANY).samples
    assert ids(his) == ids(hers)
    decide(session, BO, [submission(sample) for sample in his])
    assert assign(session, LEA, 1).remaining == 0


def test_with_two_votes_two_people_may_hold_a_sample_but_not_three(server: Servers) -> None:
    session = server(votes=2)
    assert ids(assign(session, ANA, MANY).samples) == ids(assign(session, BO, MANY).samples)
    assert assign(session, LEA, MANY).samples == []


def test_who_disagree_make_a_conflict_that_a_leads_second_look_settles(server: Servers) -> None:
    session = server(votes=2)
    sample = assign(session, ANA, 1).samples[0]
    decide(session, ANA, [submission(sample)])
    decide(session, BO, [submission(sample, "reject"), submission(sample, "reject", reason="hair")])
    assignment = assign(session, LEA, 16, queue="second_look")
    assert assignment.samples == [sample]
    assert [(d.reviewer, d.verdict, d.reason) for d in assignment.verdicts[sample.key]] == [
        ("ana", "accept", None),
        ("bo", "reject", "hair"),
    ]
    assert session.second_look() == 1
    decide(session, LEA, [submission(sample, "reject")])
    assert assign(session, LEA, 16, queue="second_look").samples == []
    row = next(r for r in session.publisher.publish().read().to_pylist() if r["sample_id"] == sample.sample_id)
    assert (row["status"], row["votes_accept"], row["votes_reject"]) == ("rejected", 1, 2)


def test_a_published_conflict_waits_for_a_second_look_after_a_restart(server: Servers) -> None:
    session = server(votes=2)
    sample = assign(session, ANA, 1).samples[0]
    decide(session, ANA, [submission(sample)])
    decide(session, BO, [submission(assign(session, BO, 1).samples[0], "reject")])
    assert session.publisher.publish().counts["conflict"] == 1
    assert assign(server(votes=2), LEA, 16, queue="second_look").samples == [sample]


def test_a_flagged_sample_goes_to_the_lead_and_to_nobody_else(server: Servers) -> None:
    session = server()
    sample = assign(session, ANA, 1).samples[0]
    decide(session, ANA, [submission(sample, "skip", reason="flag")])
    assert sample not in assign(session, BO, MANY).samples
    assert assign(session, LEA, 1, queue="second_look").samples == [sample]


def test_what_a_lead_skips_waits_for_another_second_look_behind_the_others(server: Servers) -> None:
    session = server()
    first, second = assign(session, ANA, 2).samples
    decide(session, ANA, [submission(first, "skip", reason="flag"), submission(second, "skip", reason="flag")])
    assert assign(session, LEA, 1, queue="second_look").samples == [first]
    decide(session, LEA, [submission(first, "skip")])
    assert assign(session, LEA, 2, queue="second_look").samples == [second, first]
    assert first not in assign(session, BO, MANY).samples


def test_a_sample_labelled_anew_is_shown_with_its_new_mask_soon(server: Servers, tmp_path: Path, clock: Clock) -> None:
    session = server()
    sample, other = assign(session, ANA, 2).samples
    relabel(ManifestStore(tmp_path / "manifests"), sample.sample_id, mask_of=other.sample_id)
    clock.pass_seconds(LOOK_SECONDS)
    assert sample.key not in {shown.key for shown in assign(session, ANA, MANY).samples}
    assert (sample.sample_id, other.mask_sha256) in {shown.key for shown in assign(session, ANA, MANY).samples}
    assert "look at the new mask" in decide(session, ANA, [submission(sample)]).refused[0].error


def test_a_sample_that_lacks_a_file_is_set_aside_and_named(server: Servers, tmp_path: Path) -> None:
    session = server()
    broken = assign(session, ANA, 1).samples[0]
    session.release(ANA, "")
    BlobStore(tmp_path / "data").find(broken.mask_sha256).unlink()
    assignment = assign(session, ANA, MANY)
    assert broken not in assignment.samples
    assert (len(assignment.samples), assignment.remaining, assignment.progress.total) == (MANY - 1, MANY - 1, MANY - 1)
    assert broken.sample_id in session.problems()[0]
    assert "found no such file" in session.problems()[0]


def test_a_sample_whose_source_has_changed_is_set_aside_and_the_source_named(server: Servers, tmp_path: Path) -> None:
    session = server()
    broken = assign(session, ANA, 1).samples[0]
    session.release(ANA, "")
    blob = BlobStore(tmp_path / "data").find(broken.image_sha256)
    source = blob.rename(tmp_path / "source.jpg")
    blob.symlink_to(source)
    assert broken in assign(session, ANA, MANY).samples
    session.release(ANA, "")
    source.write_bytes(b"another picture")
    assert broken not in assign(session, ANA, MANY).samples
    assert f"found its source {source} gone or changed" in session.problems()[0]


def test_what_the_database_refused_is_not_remembered(server: Servers) -> None:
    session = server()
    sample = assign(session, ANA, 1).samples[0]
    engine = session._log.engine

    def fail(*_: object) -> None:
        raise sa.exc.OperationalError("COMMIT", None, Exception("the disk is full"))

    sa.event.listen(engine, "commit", fail)
    with pytest.raises(DatabaseAway, match="disk is full"):
        decide(session, ANA, [submission(sample)])
    sa.event.remove(engine, "commit", fail)
    assert assign(session, ANA, 1).samples == [sample]
    assert session.decisions() == []


# What is mixed in


def gold_of(samples: list[OpenSample]) -> dict[tuple[str, str], GoldSample]:
    """Masks of these samples under other names, every second one a wrong one."""
    gold = [
        GoldSample(
            f"{at:032x}", s.mask_sha256, s.image_sha256, s.width, s.height, "reject" if at % 2 else "accept", None
        )
        for at, s in enumerate(samples)
    ]
    return {sample.key: sample for sample in gold}


def test_gold_comes_at_its_rate_and_is_no_vote(server: Servers) -> None:
    session = server(rates=Rates(gold=0.3))
    gold = gold_of(assign(session, LEA, MANY).samples)
    session.release(LEA, "")
    session.use_gold(gold)
    seen = []
    while samples := assign(session, ANA, 8).samples:
        seen += samples
        assert decide(session, ANA, [submission(sample) for sample in samples]).refused == []
    of_gold = [decision for decision in session.decisions() if decision.purpose == "gold"]
    assert 8 <= len(of_gold) <= 30
    assert {decision.key for decision in of_gold} <= gold.keys()
    assert len({decision.sample_id for decision in of_gold}) == len(of_gold)
    assert len(seen) == MANY + len(of_gold)
    assert session.publisher.publish().counts == {"rows": MANY, "accepted": MANY}


def test_gold_looks_like_work(server: Servers) -> None:
    session = server(rates=Rates(gold=0.5))
    session.use_gold(gold_of(assign(session, LEA, MANY).samples))
    session.release(LEA, "")
    assignment = assign(session, ANA, 32)
    assert any(sample.key in session.gold() for sample in assignment.samples)
    assert {sample.doubt for sample in assignment.samples} == {0.5}
    before = assign(session, ANA, 32).progress
    decide(session, ANA, [submission(sample) for sample in assignment.samples])
    after = assign(session, ANA, 1).progress
    assert after.done - before.done == len(assignment.samples)


def test_a_mask_judged_by_another_is_shown_again_and_the_first_verdict_stands(server: Servers) -> None:
    session = server(rates=Rates(repeat=0.5))
    half = assign(session, ANA, MANY // 2).samples
    decide(session, ANA, [submission(sample) for sample in half])
    assignment = assign(session, BO, 16)
    repeats = [sample for sample in assignment.samples if sample in half]
    assert repeats
    decide(session, BO, [submission(sample, "reject") for sample in assignment.samples])
    assert {d.purpose for d in session.decisions() if d.reviewer == "bo" and d.sample_id in ids(repeats)} == {"repeat"}
    table = session.publisher.publish().read(["sample_id", "status"]).to_pylist()
    assert {row["status"] for row in table if row["sample_id"] in ids(repeats)} == {"accepted"}


def test_nobody_meets_the_own_mask_again_soon(server: Servers) -> None:
    session = server(rates=Rates(repeat=0.5))
    decide(session, ANA, [submission(sample) for sample in assign(session, ANA, MANY // 2).samples])
    assert REPEAT_AFTER > MANY
    assert {decision.purpose for decision in session.decisions()} == {"work"}
    held = assign(session, ANA, MANY).samples
    assert len(held) == len(ids(held)) == MANY // 2


def test_falling_doubt_is_kept_within_bands(server: Servers, tmp_path: Path, portraits: Path) -> None:
    root = tmp_path / "bands"
    store = commit_pending(root, portraits, FALLING)
    log = DecisionLog(sqlite_url(root / "data"))
    samples = assign(ReviewSession(store.open(), store, log), ANA, 6).samples
    assert [round(sample.doubt or 0, 1) for sample in samples] == list(FALLING)
    log.close()
