"""A client of the review page's API for scripts: samples, verdicts, undo, publish, decisions. Uses `/api/v1`.

    with ReviewClient("http://127.0.0.1:7860", token=os.environ["REVIEW_TOKEN"]) as client:
        for sample in client.next(16):
            client.decide(sample, "reject" if looks_wrong(client.image(sample), client.mask(sample)) else "accept")

A request that can't reach the server is sent again; a decision keeps its id, so none counts twice.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from manifests.decisions.decision import Verdict
from manifests.decisions.policy import Conflicts
from manifests.errors import UserError
from review_ui.queue.queue_filter import QueueName
from review_ui.web.api_version import VERSION

RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)

_AGAIN = (502, 503, 504)  # a proxy without its server, the database away


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample to judge; `fields` are all that the server sent, such as doubt and ROI."""

    sample_id: str
    mask_sha256: str
    fields: Mapping[str, Any]


class Refused(UserError):
    """The server refused a decision; `decision_id` is its id."""

    def __init__(self, decision_id: str, error: str) -> None:
        super().__init__(error)
        self.decision_id = decision_id


class ReviewClient:
    """One reviewer's script, with a tab of its own. Not for several threads at once."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout)
        self._sleep = sleep
        self._tab = str(uuid.uuid4())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. The samples of the tab go to others when their lease ends, or with `release`."""
        self._http.close()

    def me(self) -> Mapping[str, Any]:
        """The account: name and role."""
        account: Mapping[str, Any] = self._ask("GET", "me").json()
        return account

    def next(self, count: int = 16, *, queue: QueueName = "work", **filters: str) -> list[Sample]:
        """Get at most `count` samples that the tab then holds; empty when none waits. `filters` as in the address."""
        query: dict[str, str | int] = {"n": count, "tab": self._tab, "queue": queue, **filters}
        entries = self._ask("GET", "next", params=query).json()["samples"]
        return [Sample(entry["sample_id"], entry["mask_sha256"], entry) for entry in entries]

    def image(self, sample: Sample) -> bytes:
        """The sample's image file."""
        return self._file(sample.fields["image_url"])

    def mask(self, sample: Sample) -> bytes:
        """The sample's mask, a PNG."""
        return self._file(sample.fields["mask_url"])

    def decide(self, sample: Sample, verdict: Verdict, **fields: object) -> str:
        """Store a verdict and return its decision_id; `fields` are reason, note, decision_ms, ... Raises Refused."""
        [decision_id] = self.decide_all([(sample, verdict, fields)])
        return decision_id

    def decide_all(self, verdicts: Sequence[tuple[Sample, Verdict, Mapping[str, object]]]) -> list[str]:
        """Store verdicts in one request. Raises Refused for the first refused one; the others are stored."""
        decisions = [
            {
                "decision_id": str(uuid.uuid4()),
                "sample_id": sample.sample_id,
                "mask_sha256": sample.mask_sha256,
                "verdict": verdict,
                **fields,
            }
            for sample, verdict, fields in verdicts
        ]
        answer = self._ask("POST", "decisions", json={"decisions": decisions}, accepted=(200, 409)).json()
        for refused in answer["refused"]:
            raise Refused(str(refused["decision_id"]), str(refused["error"]))
        return list(answer["stored"])

    def undo(self, decision_id: str) -> None:
        """Take a decision back."""
        self._ask("POST", "undo", json={"decision_id": decision_id, "tab": self._tab})

    def release(self) -> int:
        """Give the samples of the tab to others; return their number."""
        return int(self._ask("POST", "release", json={"tab": self._tab}).json()["released"])

    def publish(self, *, votes: int | None = None, conflicts: Conflicts = "keep") -> int:
        """Make the next version, and return it. For leads."""
        return int(self._ask("POST", "publish", json={"votes": votes, "conflicts": conflicts}).json()["version"])

    def decisions_csv(self) -> str:
        """Every decision that stands, as CSV. For leads."""
        return self._ask("GET", "decisions.csv").text

    def _file(self, path: str) -> bytes:
        return self._send("GET", path).content

    def _ask(self, method: str, route: str, *, accepted: Sequence[int] = (200,), **options: Any) -> httpx.Response:
        return self._send(method, f"/api/{VERSION}/{route}", accepted=accepted, **options)

    def _send(self, method: str, path: str, *, accepted: Sequence[int] = (200,), **options: Any) -> httpx.Response:
        """Send a request, again while the server is away; UserError with its one line for any other answer."""
        for wait in (*RETRY_SECONDS, None):
            try:
                response = self._http.request(method, path, **options)
                if response.status_code not in _AGAIN or wait is None:
                    break
            except httpx.TransportError as error:
                if wait is None:
                    raise UserError(f"expected the server at {self._http.base_url}, found none ({error})") from error
            self._sleep(wait)
        if response.status_code in accepted:
            return response
        raise UserError(_error_of(response))


def _error_of(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"expected an answer of the review page at {response.url}, found status {response.status_code}"
