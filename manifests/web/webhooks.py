"""Webhooks: events of a server as signed HTTP POSTs to addresses that its operator named. Nothing is sent without.

The format is that of Standard Webhooks (https://www.standardwebhooks.com), whose libraries verify it: the headers
`webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature`, which is `v1,` and the base64 of HMAC-SHA256 over
`ID.TIMESTAMP.BODY`. The body is JSON: `type`, `timestamp` (ISO 8601) and `data`.

A delivery is tried in a thread of its webhook, again after RETRY_SECONDS, with the same id; those that still wait when
the process ends are lost. Redirects aren't followed: the operator named one address, not where it leads.
"""

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import logging
import os
import queue
import threading
import tomllib
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from manifests.errors import UserError

WebhookEvent = Literal["publish", "queue_empty", "gold_failure"]
EVENTS: tuple[WebhookEvent, ...] = get_args(WebhookEvent)
RETRY_SECONDS = (1.0, 5.0, 30.0, 120.0, 600.0)
TIMEOUT_SECONDS = 10.0
CLOSE_SECONDS = 2.0  # a server that stops waits no longer for a receiver
LISTED = 50  # deliveries that are remembered
MIN_SECRET_BYTES = 16
MAX_WAITING = 1000  # events of one webhook; later ones are dropped

logger = logging.getLogger(__name__)

_PREFIX = "whsec_"  # of a secret in base64, as Standard Webhooks writes it


@dataclass(frozen=True, slots=True)
class Webhook:
    """One address, the events that it gets, and the key that signs them."""

    name: str
    url: str
    events: tuple[WebhookEvent, ...]
    key: bytes = field(repr=False)

    @property
    def host(self) -> str:
        """Host and port: a path may hold a token of the receiver's."""
        return urlsplit(self.url).netloc


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one webhook; `status` is in words, `tries` counts those made."""

    id: str
    at: datetime
    event: WebhookEvent
    webhook: str
    host: str
    status: str
    tries: int


@dataclass(frozen=True, slots=True)
class _Message:
    id: str
    event: WebhookEvent
    body: bytes


class WebhookSender:
    """Sends events to the webhooks that want them. `send` never waits; all methods may be called from any thread."""

    def __init__(self, webhooks: Sequence[Webhook], *, retry_seconds: Sequence[float] = RETRY_SECONDS) -> None:
        self._retry_seconds = retry_seconds
        self._deliveries: deque[Delivery] = deque(maxlen=LISTED)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._waiting = [(webhook, queue.Queue[_Message | None](MAX_WAITING)) for webhook in webhooks]
        self._threads = [
            threading.Thread(target=self._deliver_all, args=each, daemon=True, name=f"webhook {each[0].name}")
            for each in self._waiting
        ]
        for thread in self._threads:
            thread.start()

    def send(self, event: WebhookEvent, data: Mapping[str, Any]) -> None:
        """Put an event on its way to each webhook that wants it."""
        at = datetime.now(UTC)
        body = json.dumps({"type": event, "timestamp": at.isoformat(), "data": data}).encode()
        for webhook, waiting in self._waiting:
            if event not in webhook.events:
                continue
            message = _Message(f"msg_{uuid.uuid4().hex}", event, body)
            with self._lock:
                self._deliveries.append(Delivery(message.id, at, event, webhook.name, webhook.host, "waiting", 0))
            try:
                waiting.put_nowait(message)
            except queue.Full:
                self._note(webhook, message, f"dropped: {MAX_WAITING} wait before it", 0)

    def deliveries(self) -> list[Delivery]:
        """The last LISTED deliveries, newest first."""
        with self._lock:
            return list(reversed(self._deliveries))

    def close(self, wait_seconds: float = CLOSE_SECONDS) -> None:
        """Give up what still waits; a try under way has `wait_seconds` to end."""
        self._closing.set()
        for _, waiting in self._waiting:
            with contextlib.suppress(queue.Full):  # the thread looks at `_closing` before each message
                waiting.put_nowait(None)
        for thread in self._threads:
            thread.join(wait_seconds)

    def _deliver_all(self, webhook: Webhook, waiting: "queue.Queue[_Message | None]") -> None:
        import httpx  # here: a server without webhooks needn't load it

        with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
            while (message := waiting.get()) is not None and not self._closing.is_set():
                self._deliver(client, webhook, message)

    def _deliver(self, client: Any, webhook: Webhook, message: _Message) -> None:
        """Try until it arrives or the retries are used up."""
        for tries, wait in enumerate((*self._retry_seconds, None), start=1):
            problem = _post(client, webhook, message)
            if problem is None:
                self._note(webhook, message, "delivered", tries)
                return
            self._note(webhook, message, problem if wait is None else f"{problem}; again in {wait:g} s", tries)
            if wait is None:
                logger.warning(
                    "the webhook %s got no %s after %d tries: %s", webhook.name, message.event, tries, problem
                )
            elif self._closing.wait(wait):
                return

    def _note(self, webhook: Webhook, message: _Message, status: str, tries: int) -> None:
        with self._lock:
            for place, delivery in enumerate(self._deliveries):
                if delivery.id == message.id:
                    self._deliveries[place] = replace(delivery, status=status, tries=tries)


def _post(client: Any, webhook: Webhook, message: _Message) -> str | None:
    """Send a message once; None when it arrived, else the problem in a few words."""
    import httpx

    timestamp = int(datetime.now(UTC).timestamp())
    headers = {
        "content-type": "application/json",
        "webhook-id": message.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(webhook.key, message.id, timestamp, message.body),
    }
    try:
        status: int = client.post(webhook.url, content=message.body, headers=headers).status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:  # the thread goes on to the next
        return f"no answer ({type(error).__name__})"
    if 300 <= status < 400:
        return f"status {status}: a redirect is not followed"
    return None if 200 <= status < 300 else f"status {status}"


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: HMAC-SHA256 over `ID.TIMESTAMP.BODY`, in base64, after `v1,`."""
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def read_webhooks(path: Path, environment: Mapping[str, str] = os.environ) -> list[Webhook]:
    """Read the webhooks of a TOML file, a table each with `url`, `events` and `secret_env`.

    The secret is in the environment variable that `secret_env` names. UserError, which names file and webhook.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"expected to read webhooks in {path}, found: {error.strerror}; check --webhooks") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"expected TOML in {path}, found: {error}") from error
    if not tables:
        raise UserError(f"expected webhooks in {path}, found none; add a table for each or leave out --webhooks")
    return [
        _webhook(f"{path}, webhook {ascii(name)[:60]}: ", name, table, environment) for name, table in tables.items()
    ]


def _webhook(problem: str, name: str, table: object, environment: Mapping[str, str]) -> Webhook:
    if not isinstance(table, dict) or table.keys() != {"url", "events", "secret_env"}:
        keys = ", ".join(ascii(key)[:40] for key in table) if isinstance(table, dict) else "no table"
        raise UserError(f"{problem}expected url, events and secret_env in a table, found {keys or 'an empty one'}")
    url, events, secret_env = table["url"], table["events"], table["secret_env"]
    if not _is_address(url):
        raise UserError(f"{problem}expected an http or https URL without user and password as url, found another")
    if not isinstance(events, list) or not events or any(event not in EVENTS for event in events):
        raise UserError(f"{problem}expected events out of {', '.join(EVENTS)}, found {ascii(events)[:80]}")
    if not isinstance(secret_env, str) or not environment.get(secret_env):
        raise UserError(f"{problem}expected its secret in the environment variable {secret_env}, found none; set it")
    return Webhook(name, url, tuple(dict.fromkeys(events)), _key(problem, secret_env, environment[secret_env]))


def _is_address(url: object) -> bool:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        return bool(
            parts
            and parts.scheme in ("http", "https")
            and parts.hostname
            and parts.port != 0
            and "@" not in parts.netloc
        )
    except ValueError:
        return False


def _key(problem: str, secret_env: str, text: str) -> bytes:
    """The bytes of a secret: base64 after `whsec_`, else the text itself. The error doesn't quote it."""
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True) if text.startswith(_PREFIX) else text.encode()
    except binascii.Error as error:
        raise UserError(f"{problem}expected base64 after {_PREFIX} in {secret_env}, found other text") from error
    if len(key) < MIN_SECRET_BYTES:
        raise UserError(f"{problem}expected a secret of {MIN_SECRET_BYTES} bytes or more in {secret_env}, found fewer")
    return key
