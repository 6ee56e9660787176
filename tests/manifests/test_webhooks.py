"""Webhooks against a real HTTP server: signatures, retries, redirects, the list of deliveries, the file."""

import base64
import json
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from repository import ROOT
from webhook_receiver import Receiver, receiver

from manifests.errors import UserError
from manifests.web.webhooks import LISTED, Delivery, Webhook, WebhookSender, read_webhooks, signature
from manifests.web.webhooks import logger as webhooks_log

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ENVIRONMENT = {"HOOK_SECRET": SECRET}
FILE = """
[ci]
url = "{url}/hooks/t0ken"
events = ["publish", "queue_empty"]
secret_env = "HOOK_SECRET"
"""


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as there:
        yield there


@pytest.fixture
def webhook(there: Receiver, tmp_path: Path) -> Webhook:
    return read(tmp_path, FILE.format(url=there.url))


def read(folder: Path, text: str) -> Webhook:
    (folder / "webhooks.toml").write_text(text)
    [webhook] = read_webhooks(folder / "webhooks.toml", ENVIRONMENT)
    return webhook


@contextmanager
def given_up() -> Iterator[threading.Event]:
    """An event that is set when the sender warns that it has given up."""
    ended = threading.Event()
    handler = logging.Handler()
    handler.emit = lambda _record: ended.set()  # type: ignore[method-assign]
    webhooks_log.addHandler(handler)
    yield ended
    webhooks_log.removeHandler(handler)


def sent(webhook: Webhook, there: Receiver, requests: int, *, retries: int = 5) -> Delivery:
    """Send one event, and wait for so many requests; its delivery."""
    sender = WebhookSender([webhook], retry_seconds=[0.0] * retries)
    sender.send("publish", {"version": 7})
    for _ in range(requests):
        there.next()
    sender.close(60)
    [delivery] = sender.deliveries()
    return delivery


def test_the_snippet_of_the_docs_takes_what_is_sent_and_nothing_else(webhook: Webhook, there: Receiver) -> None:
    [snippet] = [
        block
        for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs/team.md").read_text(), re.DOTALL)
        if "is_genuine" in block
    ]
    names: dict[str, object] = {}
    exec(snippet, names)
    is_genuine = names["is_genuine"]
    sender = WebhookSender([webhook])
    sender.send("publish", {"version": 7})
    request = there.next()
    sender.close(60)
    assert request.path == "/hooks/t0ken"
    assert (json.loads(request.body)["type"], json.loads(request.body)["data"]) == ("publish", {"version": 7})
    assert is_genuine(SECRET, request.headers, request.body)
    assert not is_genuine(SECRET, request.headers, request.body + b" ")
    assert not is_genuine(SECRET[:-4] + "AAA=", request.headers, request.body)
    old = int(request.headers["webhook-timestamp"]) - 600
    forged = {**request.headers, "webhook-timestamp": str(old)}
    assert not is_genuine(SECRET, forged, request.body)
    replayed = signature(webhook.key, request.headers["webhook-id"], old, request.body)
    assert not is_genuine(SECRET, {**forged, "webhook-signature": replayed}, request.body)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification's reference libraries."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_that_fails_first_gets_the_same_event_again(webhook: Webhook, there: Receiver) -> None:
    there.statuses = [503, 500]
    sender = WebhookSender([webhook], retry_seconds=[0.0] * 5)
    sender.send("publish", {"version": 7})
    requests = [there.next() for _ in range(3)]
    sender.close(60)
    assert len({(request.headers["webhook-id"], request.body) for request in requests}) == 1
    [delivery] = sender.deliveries()
    assert (delivery.status, delivery.tries, delivery.host) == ("delivered", 3, there.url.removeprefix("http://"))


def test_a_receiver_that_never_takes_it_is_given_up_with_a_warning(
    webhook: Webhook, there: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    there.statuses = [500] * 3
    delivery = sent(webhook, there, 3, retries=2)
    assert (delivery.status, delivery.tries) == ("status 500", 3)
    assert "the webhook ci got no publish after 3 tries: status 500" in caplog.text
    assert "t0ken" not in caplog.text + repr(delivery)


def test_a_redirect_is_not_followed(webhook: Webhook, there: Receiver) -> None:
    with receiver() as elsewhere:
        there.statuses, there.location = [307], f"{elsewhere.url}/x"
        delivery = sent(webhook, there, 1, retries=0)
        assert elsewhere.received.empty()
    assert delivery.status == "status 307: a redirect is not followed"


def test_an_address_that_nobody_answers_is_named_without_its_path(tmp_path: Path) -> None:
    with receiver() as gone:
        webhook = read(tmp_path, FILE.format(url=gone.url))
    sender = WebhookSender([webhook], retry_seconds=())
    with given_up() as ended:
        sender.send("publish", {})
        assert ended.wait(60)
    sender.close(60)
    [delivery] = sender.deliveries()
    assert (delivery.status, delivery.tries) == ("no answer (ConnectError)", 1)


def test_an_address_that_cannot_be_asked_does_not_end_the_thread(webhook: Webhook) -> None:
    sender = WebhookSender([replace(webhook, url="http://x\0y/")], retry_seconds=())
    for version in (1, 2):
        with given_up() as ended:
            sender.send("publish", {"version": version})
            assert ended.wait(60)
    sender.close(60)
    assert [each.status for each in sender.deliveries()] == ["no answer (InvalidURL)"] * 2


def test_sending_never_waits_for_a_receiver_that_hangs(webhook: Webhook, there: Receiver) -> None:
    """The receiver answers only after `send` has returned: waiting for it would be a deadlock."""
    may_answer = threading.Event()
    put = there.received.put
    there.received.put = lambda request: (put(request), may_answer.wait(60))  # type: ignore[method-assign]
    sender = WebhookSender([webhook])
    for version in range(3):
        sender.send("publish", {"version": version})
    assert [delivery.tries for delivery in sender.deliveries()] == [0, 0, 0]
    may_answer.set()
    assert [json.loads(there.next().body)["data"]["version"] for _ in range(3)] == [0, 1, 2]
    sender.close(60)


def test_only_the_events_asked_for_are_sent_and_the_last_fifty_are_listed(webhook: Webhook, there: Receiver) -> None:
    sender = WebhookSender([webhook])
    sender.send("gold_failure", {"reviewer": "bo"})
    for version in range(LISTED + 2):
        sender.send("publish", {"version": version})
    for _ in range(LISTED + 2):
        there.next()
    sender.close(60)
    deliveries = sender.deliveries()
    assert there.received.empty()
    assert len(deliveries) == LISTED
    assert deliveries[0].at >= deliveries[-1].at
    assert {delivery.event for delivery in deliveries} == {"publish"}


def test_no_secret_is_in_what_is_printed(webhook: Webhook) -> None:
    assert SECRET.removeprefix("whsec_") not in repr(webhook)
    assert repr(webhook.key) not in repr(webhook)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected webhooks in .*, found none"),
        ("[ci", "expected TOML in"),
        ('[ci]\nurl = "https://x"', "expected url, events and secret_env in a table, found 'url'"),
        (FILE.format(url="https://x:99999"), "expected an http or https URL without user and password as url"),
        (FILE.format(url="ftp://x"), "expected an http or https URL without user and password as url"),
        (FILE.format(url="https://ann:hunter2@x"), "expected an http or https URL without user and password as url"),
        (FILE.format(url="https://x").replace("queue_empty", "lunch"), "expected events out of publish, queue_empty"),
        (
            FILE.format(url="https://x").replace("HOOK", "NO"),
            "expected its secret in the environment variable NO_SECRET",
        ),
        (
            FILE.format(url="https://x").replace("HOOK", "SHORT"),
            "expected a secret of 16 bytes or more in SHORT_SECRET",
        ),
        (FILE.format(url="https://x").replace("HOOK", "BAD"), "expected base64 after whsec_ in BAD_SECRET"),
    ],
)
def test_a_wrong_file_is_one_line_without_secrets(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "webhooks.toml"
    path.write_text(text)
    environment = ENVIRONMENT | {"SHORT_SECRET": "hunter2", "BAD_SECRET": "whsec_hunter2!"}
    with pytest.raises(UserError, match=message) as refusal:
        read_webhooks(path, environment)
    assert "hunter2" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected to read webhooks in .*none\.toml"):
        read_webhooks(tmp_path / "none.toml")
