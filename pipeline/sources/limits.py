"""Limits of reading images from elsewhere: sizes, times, rates."""

from dataclasses import dataclass

MAX_PICTURE_BYTES = 64 * 2**20  # checked before reading; a phone's 100 megapixels are about 40 MB as JPEG
MAX_STATEMENT_BYTES = 2**20  # the .json beside an image in a tar
MAX_TAR_HEADER_BYTES = 2**20  # a member's extended header, read into memory whole
MAX_TARS = 100_000  # in one range of numbers

CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 20.0  # between two pieces of a response
TOTAL_TIMEOUT_SECONDS = 60.0  # one try, its redirects included
MAX_REDIRECTS = 5  # as many as RFC 9309, 2.3.1.2 asks for

ATTEMPTS = 3
BACKOFF_SECONDS = 1.0  # doubled with each try, plus random jitter of up to as much again
MAX_RETRY_AFTER_SECONDS = 30.0  # a host that asks for more is not tried again

REQUESTS_PER_HOST = 2
REQUESTS_OVERALL = 16

ROBOTS_MAX_BYTES = 500 * 2**10  # RFC 9309, 2.5; the rest is not read
ROBOTS_MAX_AGE_SECONDS = 86_400.0  # RFC 9309, 2.4
ROBOTS_RETRY_SECONDS = 300.0  # before a robots.txt that could not be fetched is tried again
ROBOTS_HOSTS = 4096  # cached at a time


@dataclass(frozen=True, slots=True)
class FetchRules:
    """Limits on fetching URLs. Picklable: they go with the images to other processes."""

    allow_private_addresses: bool = False
    max_bytes: int = MAX_PICTURE_BYTES
    connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS
    read_timeout_seconds: float = READ_TIMEOUT_SECONDS
    total_timeout_seconds: float = TOTAL_TIMEOUT_SECONDS
    max_redirects: int = MAX_REDIRECTS
    attempts: int = ATTEMPTS
    backoff_seconds: float = BACKOFF_SECONDS
    max_retry_after_seconds: float = MAX_RETRY_AFTER_SECONDS
    requests_per_host: int = REQUESTS_PER_HOST
    requests_overall: int = REQUESTS_OVERALL
