"""Events of a session that real webhooks get: a version, an empty queue, a failure on gold, each once."""

import json
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pytest
from small_lineages import NOON, Lineage, sample_id
from submissions import assign, decide, submission
from webhook_receiver import Receiver, receiver

from manifests.decisions.activity import Actor
from manifests.decisions.log import DecisionLog
from manifests.web.webhooks import EVENTS, Webhook, WebhookSender
from review_ui.lead.snapshot import take_snapshot
from review_ui.lead.tabs import TABS
from review_ui.quality.gold import GoldSample
from review_ui.queue.gold_mix import Rates
from review_ui.queue.session import ReviewSession
from review_ui.reviewer import LOCAL_LEAD, Reviewer

BO = Reviewer("bo", "reviewer")


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    lineage = Lineage(tmp_path)
    lineage.generate(*range(1, 5))
    return lineage


@pytest.fixture
def log(lineage: Lineage) -> Iterator[DecisionLog]:
    with closing(lineage.log()) as log:
        yield log


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as there:
        yield there


@pytest.fixture
def sender(there: Receiver) -> WebhookSender:
    return WebhookSender([Webhook("test", f"{there.url}/path", EVENTS, bytes(32))])


@pytest.fixture
def session(lineage: Lineage, log: DecisionLog, sender: WebhookSender) -> Iterator[ReviewSession]:
    rates = Rates(gold=0.5)
    with closing(
        ReviewSession(lineage.store.open(), lineage.store, log, rates=rates, rng=random.Random(0), webhooks=sender)
    ) as session:
        yield session


def event(there: Receiver) -> tuple[str, dict[str, Any]]:
    body = json.loads(there.next().body)
    return body["type"], body["data"]


def gold_of(lineage: Lineage, seeds: range) -> dict[tuple[str, str], GoldSample]:
    """Damaged gold: masks that are right to reject, each on an image of its own."""
    row = lineage.row(1)
    samples = [
        GoldSample(f"{seed:032x}", row["mask_sha256"], row["image_sha256"], 48, 64, "reject", "shifted")
        for seed in seeds
    ]
    return {sample.key: sample for sample in samples}


def test_the_last_verdict_empties_the_queue_once_and_a_publish_names_its_author(
    session: ReviewSession, sender: WebhookSender, there: Receiver
) -> None:
    samples = assign(session, LOCAL_LEAD, 4).samples
    decide(session, LOCAL_LEAD, [submission(sample) for sample in samples[:3]])
    last = submission(samples[3])
    decide(session, LOCAL_LEAD, [last])
    decide(session, LOCAL_LEAD, [last])  # a repeated request
    session.publisher.publish(by=Actor("ann", "10.0.0.7"))
    assert event(there) == ("queue_empty", {"version": 1, "second_look": 0})
    kind, data = event(there)
    assert (kind, data["version"], data["operation"], data["by"]) == ("publish", 2, "review", "ann")
    sender.close(60)
    assert there.received.empty()
    assert [(each.event, each.status) for each in session.deliveries()] == [
        ("publish", "delivered"),
        ("queue_empty", "delivered"),
    ]
    html = TABS["Log"](take_snapshot(session, NOON))
    assert there.url.removeprefix("http://") in html
    assert ("queue_empty" in html, "delivered" in html, "path" in html) == (True, True, False)


def judge_gold(session: ReviewSession, lineage: Lineage, verdict: Literal["accept", "reject"]) -> None:
    """Show Bo six gold samples, one by one, with this verdict on each."""
    gold = gold_of(lineage, range(100, 106))
    session.use_gold(gold)
    for key in gold:
        sample = session.find(key)
        assert sample
        decide(session, BO, [submission(sample, verdict)])


def test_a_reviewer_who_fails_on_gold_is_reported_once(
    session: ReviewSession, sender: WebhookSender, lineage: Lineage, there: Receiver
) -> None:
    judge_gold(session, lineage, "accept")
    assert event(there) == ("gold_failure", {"reviewer": "bo", "false_accepts": 2, "judged": 2})
    assert [each.event for each in session.deliveries()] == ["gold_failure"]
    sender.close(60)  # it would give up an event that it hasn't begun to send
    assert there.received.empty()


def test_right_verdicts_on_gold_are_no_event(
    session: ReviewSession, sender: WebhookSender, lineage: Lineage, there: Receiver
) -> None:
    judge_gold(session, lineage, "reject")
    assert session.deliveries() == []
    sender.close(60)
    assert there.received.empty()


def test_without_webhooks_nothing_is_listed(lineage: Lineage, log: DecisionLog) -> None:
    with closing(ReviewSession(lineage.store.open(), lineage.store, log)) as session:
        decide(session, LOCAL_LEAD, [submission(sample) for sample in assign(session, LOCAL_LEAD, 4).samples])
        session.publisher.publish()
        assert session.deliveries() == []
    assert lineage.row(1)["sample_id"] == sample_id(1)
