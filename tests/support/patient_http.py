"""Make HTTP requests with a time limit that a busy machine keeps: httpx gives up after 5 s."""

from functools import partial

import httpx

SECONDS = 60

Client = partial(httpx.Client, timeout=SECONDS)
delete = partial(httpx.delete, timeout=SECONDS)
get = partial(httpx.get, timeout=SECONDS)
post = partial(httpx.post, timeout=SECONDS)
