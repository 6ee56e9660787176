"""A real server that speaks S3's language (moto), in a process of its own, for the tests of remote manifests."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import httpx
import pytest
from free_port import free_port

START_SECONDS = 120  # 3 on a quiet machine


@contextmanager
def s3_server(directory: Path) -> Iterator[dict[str, str]]:
    """The environment of processes that talk to it; it knows no bucket yet."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    log = directory / "s3.log"
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as server:
        try:
            _wait_for(endpoint, server, log)
            yield {
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            }
        finally:
            server.kill()


@contextmanager
def s3_of_this_process(directory: Path) -> Iterator[None]:
    """The server, found by the environment of this process, as users set it."""
    with pytest.MonkeyPatch.context() as patch, s3_server(directory) as environment:
        for name, value in environment.items():
            patch.setenv(name, value)
        fsspec.get_filesystem_class("s3").clear_instance_cache()  # they know another module's server
        yield


def _wait_for(endpoint: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            httpx.get(f"{endpoint}/moto-api/", timeout=2)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"the S3 server did not start: {log.read_text()[-2000:]}")
