"""Rules of a host's robots.txt (RFC 9309, read by Protego), fetched once a day and shared by all threads."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import httpx
from protego import Protego

from manifests import __version__
from pipeline.quarantine import DISALLOWED, Unusable
from pipeline.sources.limits import ROBOTS_HOSTS, ROBOTS_MAX_AGE_SECONDS, ROBOTS_RETRY_SECONDS
from pipeline.sources.urls import host_of
from pipeline.sources.web.retries import FetchFailure

ROBOTS_NAME = "maskfoundry"  # this program's name in a robots.txt
USER_AGENT = f"{ROBOTS_NAME}/{__version__} (collects pictures for portrait segmentation; obeys robots.txt)"


@dataclass(frozen=True, slots=True)
class _Answer:
    """A host's rules, or (reason, detail) why its images can't be fetched; valid until `expires`."""

    rules: Protego | None
    problem: tuple[str, str] | None
    expires: float


class Robots:
    """Robots.txt of every host, loaded with `fetch` (which raises FetchFailure). Safe to use from threads."""

    def __init__(self, fetch: Callable[[httpx.URL], bytes], clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._answers: dict[str, Future[_Answer]] = {}
        self._lock = threading.Lock()

    def check(self, url: httpx.URL) -> None:
        """Raise Unusable when the host's rules disallow `url` or can't be fetched."""
        answer = self._answer(url.copy_with(raw_path=b"/robots.txt", fragment=None))
        if answer.problem is not None:
            raise Unusable(*answer.problem)
        if answer.rules is not None and not answer.rules.can_fetch(str(url), ROBOTS_NAME):
            raise Unusable(DISALLOWED, f"robots.txt of {host_of(url)} disallows {url.path} for {ROBOTS_NAME}")

    def _answer(self, url: httpx.URL) -> _Answer:
        """The host's answer; of several threads at once, one fetches it and the others wait."""
        host = f"{url.scheme}://{host_of(url)}:{url.port}"
        with self._lock:
            promise = self._answers.get(host)
            is_new = promise is None or self._is_over(promise)
            if promise is None or is_new:
                promise = self._remember(host, Future())
        if is_new:
            self._keep(promise, url)
        return promise.result()

    def _is_over(self, promise: Future[_Answer]) -> bool:
        if not promise.done():
            return False
        return promise.exception() is not None or promise.result().expires <= self._clock()

    def _remember(self, host: str, promise: Future[_Answer]) -> Future[_Answer]:
        self._answers.pop(host, None)
        self._answers[host] = promise
        if len(self._answers) > ROBOTS_HOSTS:
            del self._answers[next(iter(self._answers))]
        return promise

    def _keep(self, promise: Future[_Answer], url: httpx.URL) -> None:
        try:
            promise.set_result(self._load(url))
        except BaseException as error:  # or the other threads wait for ever
            promise.set_exception(error)
            raise

    def _load(self, url: httpx.URL) -> _Answer:
        try:
            rules = _parse(self._fetch(url))
        except FetchFailure as failure:
            status = failure.status or 0
            if 400 <= status < 500 and status != 429:  # no rules (RFC 9309, 2.3.1.3)
                return _Answer(None, None, self._clock() + ROBOTS_MAX_AGE_SECONDS)
            # Rules that can't be fetched forbid everything (RFC 9309, 2.3.1.4); an unreachable host keeps its reason.
            reason = DISALLOWED if status else failure.reason
            detail = f"robots.txt of {host_of(url)}: {failure.detail}"
            return _Answer(None, (reason, detail), self._clock() + ROBOTS_RETRY_SECONDS)
        return _Answer(rules, None, self._clock() + ROBOTS_MAX_AGE_SECONDS)


def _parse(data: bytes) -> Protego:
    """Parse a robots.txt; invalid lines, a crawl delay of "²" say, don't affect the others."""
    return Protego.parse(data.decode("utf-8-sig", "replace"))
