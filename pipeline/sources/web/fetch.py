"""One URL -> the bytes behind it, or the reason for none: politely and within limits."""

import random
import ssl
import time
from collections.abc import Callable
from functools import partial

import httpx

from pipeline.quarantine import BAD_URL, TOO_MANY_REDIRECTS, Unusable
from pipeline.sources.limits import ROBOTS_MAX_BYTES, FetchRules
from pipeline.sources.urls import host_of, parse_web_url
from pipeline.sources.web.addresses import Resolve, resolve
from pipeline.sources.web.host_slots import HostSlots
from pipeline.sources.web.request import ReadBody, Requester, read_beginning, read_picture
from pipeline.sources.web.retries import FetchFailure, wait_seconds
from pipeline.sources.web.robots import Robots


class Fetcher:
    """Fetches URLs for all threads of a process. Clock, sleep, jitter and resolver are injected."""

    def __init__(
        self,
        rules: FetchRules,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        resolve: Resolve = resolve,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._requester = Requester(rules, clock, resolve, ssl_context)
        self._slots = HostSlots(per_host=rules.requests_per_host, overall=rules.requests_overall)
        self._robots = Robots(self._fetch_robots, clock)

    def fetch(self, url: str) -> bytes:
        """Fetch the bytes behind `url`, at most `rules.max_bytes`; Unusable, with the reason, when it can't."""
        parsed = parse_web_url(url)
        if parsed is None:
            raise Unusable(BAD_URL, "expected http://host/path or https://host/path")
        read_body = partial(read_picture, max_bytes=self._rules.max_bytes)
        return self._try_again(lambda: self._follow(parsed, read_body, check=self._robots.check))

    def _fetch_robots(self, url: httpx.URL) -> bytes:
        read_body = partial(read_beginning, max_bytes=ROBOTS_MAX_BYTES)
        return self._try_again(lambda: self._follow(url, read_body, check=lambda _: None))

    def _try_again(self, fetch_once: Callable[[], bytes]) -> bytes:
        """Call `fetch_once`, again a few times while its failure may pass."""
        attempt = 1
        while True:
            try:
                return fetch_once()
            except FetchFailure as failure:
                seconds = wait_seconds(failure, attempt, self._rules, self._jitter())
                if seconds is None:
                    raise
            self._sleep(seconds)
            attempt += 1

    def _follow(self, url: httpx.URL, read_body: ReadBody, *, check: Callable[[httpx.URL], None]) -> bytes:
        """Get `url` or what it redirects to, each after a `check`. Waiting for a slot doesn't count as time."""
        seconds_left = self._rules.total_timeout_seconds
        for _ in range(self._rules.max_redirects + 1):
            check(url)
            with self._slots.slot(host_of(url)):
                started = self._clock()
                answer = self._requester.get(url, read_body, deadline=started + seconds_left)
                seconds_left -= self._clock() - started
            if isinstance(answer, bytes):
                return answer
            url = answer
        limit = self._rules.max_redirects
        raise FetchFailure(TOO_MANY_REDIRECTS, f"expected an image after at most {limit} redirects, found another one")
