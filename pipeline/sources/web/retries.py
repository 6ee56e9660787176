"""Which failures of a fetch are worth another try, and when."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from pipeline.quarantine import Unusable
from pipeline.sources.limits import FetchRules


class FetchFailure(Unusable):
    """A URL that gave no image. `passing`: a retry may succeed; `status` is HTTP's, if there was a response."""

    def __init__(
        self,
        reason: str,
        detail: str,
        *,
        passing: bool = False,
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(reason, detail)
        self.passing = passing
        self.status = status
        self.retry_after_seconds = retry_after_seconds


def wait_seconds(failure: FetchFailure, attempt: int, rules: FetchRules, jitter: float) -> float | None:
    """Seconds to wait after try number `attempt` (from 1); None: no further try. `jitter` is in [0, 1]."""
    retry_after = failure.retry_after_seconds or 0.0
    if not failure.passing or attempt >= rules.attempts or retry_after > rules.max_retry_after_seconds:
        return None
    return max(retry_after, rules.backoff_seconds * 2 ** (attempt - 1) * (1.0 + jitter))


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds of the response's Retry-After; None where it is missing or invalid.

    A date counts from the response's own, so the two machines' clocks may differ.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError):
        return None
    return max(0.0, seconds)
