"""URLs are fetched politely, end soon, and never reach an address that wasn't checked; against a real server."""

import base64
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from picture_server import PictureServer, serve

from pipeline import quarantine
from pipeline.quarantine import Unusable
from pipeline.sources.limits import ROBOTS_MAX_AGE_SECONDS, ROBOTS_MAX_BYTES, ROBOTS_RETRY_SECONDS, FetchRules
from pipeline.sources.urls import holds_secret, redacted, without_credentials
from pipeline.sources.web import addresses
from pipeline.sources.web.addresses import is_public, resolve
from pipeline.sources.web.fetch import Fetcher
from pipeline.sources.web.host_slots import HostSlots
from pipeline.sources.web.retries import FetchFailure, retry_after_seconds, wait_seconds
from pipeline.sources.web.robots import USER_AGENT, Robots

PICTURE = b"\xff\xd8" + bytes(range(256)) * 20
RULES = FetchRules(allow_private_addresses=True, max_bytes=100_000, total_timeout_seconds=5)


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with serve(PICTURE) as running:
        yield running


def fetcher(rules: FetchRules = RULES, clock: Clock | None = None, **given: object) -> Fetcher:
    """A fetcher for which `*.test` is 127.0.0.1, and no time passes when it waits."""
    clock = clock or Clock()
    given.setdefault("resolve", lambda host, port: ["127.0.0.1"])
    return Fetcher(rules, clock=clock, sleep=clock.sleep, jitter=lambda: 0.5, **given)  # type: ignore[arg-type]


def failure_of(fetch: Callable[[], object]) -> Unusable:
    with pytest.raises(Unusable) as caught:
        fetch()
    assert caught.value.detail
    return caught.value


@pytest.mark.parametrize("path", ["/good.jpg", "/redirected.jpg", "/429.jpg", "/503.jpg", "/good.jpg?size=big"])
def test_a_good_url_gives_its_bytes(server: PictureServer, path: str) -> None:
    assert fetcher().fetch(server.url(path)) == PICTURE


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/missing.jpg", quarantine.HTTP_ERROR),
        ("/always_500.jpg", quarantine.HTTP_ERROR),
        ("/come_tomorrow.jpg", quarantine.HTTP_ERROR),
        ("/page.jpg", quarantine.NOT_AN_IMAGE),
        ("/loop.jpg", quarantine.TOO_MANY_REDIRECTS),
        ("/nowhere.jpg", quarantine.BAD_URL),
        ("/to_file.jpg", quarantine.BAD_URL),
        ("/secret/good.jpg", quarantine.DISALLOWED),
        ("/to_secret.jpg", quarantine.DISALLOWED),
        ("/big.jpg", quarantine.TOO_LARGE),
        ("/endless.jpg", quarantine.TOO_LARGE),
        ("/broken_off.jpg", quarantine.UNREACHABLE),
        ("/garbage.jpg", quarantine.UNREACHABLE),
    ],
)
def test_a_bad_url_ends_with_a_reason(server: PictureServer, path: str, reason: str) -> None:
    assert failure_of(lambda: fetcher().fetch(server.url(path))).reason == reason


@pytest.mark.parametrize("path", ["/silent.jpg", "/slow.jpg", "/slow_header.jpg"])
def test_a_slow_answer_ends_in_time(server: PictureServer, path: str) -> None:
    rules = replace(RULES, total_timeout_seconds=0.4, attempts=1)
    started = time.monotonic()
    failure = failure_of(lambda: Fetcher(rules).fetch(server.url(path)))
    assert failure.reason == quarantine.TIMED_OUT
    assert time.monotonic() - started < 3


def test_silence_between_two_pieces_ends_before_the_whole_time(server: PictureServer) -> None:
    rules = replace(RULES, read_timeout_seconds=0.2, total_timeout_seconds=60, attempts=1)
    started = time.monotonic()
    assert failure_of(lambda: Fetcher(rules).fetch(server.url("/silent.jpg"))).reason == quarantine.TIMED_OUT
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "url",
    [
        "",
        "photo.jpg",
        "//host/photo.jpg",
        "ftp://host/a.jpg",
        "file:///etc/passwd",
        "http://",
        "http:///a.jpg",
        "http://host:99999/",
        "http://host:0/",
        "http://[::1/a.jpg",
        "http://ho\x00st/a.jpg",
        "http://[fe80::1%25eth0]é]/a.jpg",
        "javascript:alert(1)",
        "http://" + "a" * 70_000,
    ],
)
def test_what_is_no_web_url_is_said_to_be_a_bad_one(url: str) -> None:
    assert failure_of(lambda: fetcher().fetch(url)).reason == quarantine.BAD_URL


@pytest.mark.parametrize("host", ["a" * 64 + ".test", "a..test"])
def test_a_name_that_cant_have_an_address_is_unreachable(host: str) -> None:
    with pytest.raises(FetchFailure) as caught:
        resolve(host, 80)
    assert (caught.value.reason, caught.value.passing) == (quarantine.UNREACHABLE, False)


def test_a_port_where_nobody_listens_is_unreachable_at_once() -> None:
    clock = Clock()
    assert failure_of(lambda: fetcher(clock=clock).fetch("http://gone.test:1/a.jpg")).reason == quarantine.UNREACHABLE
    assert clock.slept == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # where clouds keep credentials
        "100.64.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%2",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "::127.0.0.1",
    ],
)
def test_an_address_of_no_open_network_is_refused(address: str) -> None:
    assert not is_public(address)
    closed = fetcher(replace(RULES, allow_private_addresses=False), resolve=lambda host, port: [address])
    failure = failure_of(lambda: closed.fetch("http://photos.test/a.jpg"))
    assert failure.reason == quarantine.REFUSED_ADDRESS
    assert address in failure.detail


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_an_address_of_the_open_network_is_permitted(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:7f00:1]"]
)
def test_this_machine_is_refused_however_it_is_written(server: PictureServer, host: str) -> None:
    closed = Fetcher(replace(RULES, allow_private_addresses=False, attempts=1))
    assert failure_of(lambda: closed.fetch(server.url("/good.jpg", host))).reason in (
        quarantine.REFUSED_ADDRESS,
        quarantine.UNREACHABLE,  # where a machine has no IPv6
    )
    assert server.paths() == []


def test_a_redirect_to_a_private_address_is_refused(server: PictureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's own address counts as public here, so that only the redirect's target is refused."""
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1" or is_public(address))
    closed = fetcher(
        replace(RULES, allow_private_addresses=False),
        resolve=lambda host, port: ["127.0.0.2" if host == "inside.test" else "127.0.0.1"],
    )
    assert closed.fetch(server.url("/good.jpg", "photos.test")) == PICTURE
    failure = failure_of(lambda: closed.fetch(server.url("/inside.jpg", "photos.test")))
    assert failure.reason == quarantine.REFUSED_ADDRESS
    assert "127.0.0.2" in failure.detail


def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to(server: PictureServer) -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        """Another address each time."""
        asked.append(host)
        return ["127.0.0.77"] if len(asked) > 1 else ["127.0.0.1"]

    failure = failure_of(lambda: fetcher(resolve=rebinding).fetch(server.url("/good.jpg", "photos.test")))
    assert failure.reason == quarantine.UNREACHABLE
    assert server.paths() == ["/robots.txt"]  # one connection to the first answer, then one to the second
    assert asked == ["photos.test", "photos.test"]


def test_of_several_addresses_the_permitted_ones_are_tried_in_turn(server: PictureServer) -> None:
    both = fetcher(resolve=lambda host, port: ["127.0.0.77", "127.0.0.1"])
    assert both.fetch(server.url("/good.jpg", "photos.test")) == PICTURE


def test_the_server_is_asked_by_its_name_and_told_who_asks(server: PictureServer) -> None:
    fetcher().fetch(server.url("/good.jpg", "photos.test"))
    for _, headers in server.asked:
        assert headers["host"] == f"photos.test:{server.port}"
        assert headers["user-agent"] == USER_AGENT
        assert "maskfoundry" in headers["user-agent"]
        assert {"cookie", "referer", "authorization"}.isdisjoint(headers)


def test_user_and_password_go_to_their_own_host_alone(server: PictureServer) -> None:
    url = f"http://me:pass%20word@photos.test:{server.port}"
    assert fetcher().fetch(f"{url}/redirected.jpg") == PICTURE
    assert base64.b64decode(server.asked[-1][1]["authorization"].removeprefix("Basic ")) == b"me:pass word"
    assert fetcher().fetch(f"{url}/inside.jpg") == PICTURE
    path, headers = server.asked[-1]
    assert (path, headers["host"]) == ("/good.jpg", f"inside.test:{server.port}")
    assert "authorization" not in headers


def test_no_credentials_are_in_what_is_said_of_a_failure(server: PictureServer) -> None:
    for path in ("/missing.jpg", "/garbage.jpg", "/secret/a.jpg", "/broken_off.jpg", "/nowhere.jpg"):
        url = f"http://me:hunter2@photos.test:{server.port}{path}?token=hunter2"
        assert "hunter2" not in failure_of(lambda url=url: fetcher().fetch(url)).detail


def test_robots_txt_is_asked_for_once_a_day(server: PictureServer) -> None:
    clock = Clock()
    polite = fetcher(clock=clock)
    for _ in range(3):
        polite.fetch(server.url("/good.jpg"))
    assert server.paths().count("/robots.txt") == 1
    clock.now += ROBOTS_MAX_AGE_SECONDS + 1
    polite.fetch(server.url("/good.jpg"))
    assert server.paths().count("/robots.txt") == 2


def test_threads_that_ask_at_once_share_one_robots_txt(server: PictureServer) -> None:
    polite = fetcher()
    with ThreadPoolExecutor(8) as executor:
        assert list(executor.map(polite.fetch, [server.url("/good.jpg")] * 8)) == [PICTURE] * 8
    assert server.paths().count("/robots.txt") == 1


@pytest.mark.parametrize(
    ("robots", "allowed"),
    [
        (404, True),
        (403, True),  # what object stores say of a file that isn't there; RFC 9309 counts it as no rules
        (500, False),
        (429, False),
        (b"", True),
        (b"<html>not found</html>", True),
        (b"User-agent: *\nDisallow: /\n", False),
        (b"\xef\xbb\xbfUser-agent: maskfoundry\r\nDisallow: /good\r\n\r\nUser-agent: *\r\nAllow: /\r\n", False),
        (b"User-agent: maskfoundry\nAllow: /\n\nUser-agent: *\nDisallow: /\n", True),
        (b"User-agent: *\nDisallow: /*.jpg$\n", False),
        (b"\xff\xfe\x00User-agent", True),
        (b"User-agent: *\nDisallow: /\n" + b"#" * 2 * ROBOTS_MAX_BYTES, False),
    ],
)
def test_robots_txt_decides(server: PictureServer, robots: bytes | int, allowed: bool) -> None:
    server.robots = robots
    if allowed:
        assert fetcher().fetch(server.url("/good.jpg")) == PICTURE
    else:
        assert failure_of(lambda: fetcher().fetch(server.url("/good.jpg"))).reason == quarantine.DISALLOWED
        assert "/good.jpg" not in server.paths()


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("Disallow: /*.jpg$", "/a/b.jpg", False),
        ("Disallow: /*.jpg$", "/a/b.jpg?size=large", True),
        ("Disallow: /*/private/", "/people/private/b.jpg", False),
        ("Disallow: *.jpg", "/a/b.jpg", False),
        ("Disallow: /*?", "/b.jpg?size=large", False),
        ("Disallow: /b.jpg$", "/b.jpg2", True),
        (
            "Disallow: /photos/\nAllow: /photos/open/",
            "/photos/open/b.jpg",
            True,
        ),  # the longer rule, in any order
        ("Allow: /photos/open/\nDisallow: /photos/", "/photos/open/b.jpg", True),
        ("Allow: /photos/\nDisallow: /photos/closed/", "/photos/closed/b.jpg", False),
        ("Allow: /\nDisallow: /*.jpg$", "/b.jpg", False),
        ("Disallow: /photos/\nAllow: /photos/", "/photos/b.jpg", True),  # RFC 9309, 2.2.2: of equally long ones Allow
        ("Disallow: /%7Ejoe/", "/~joe/b.jpg", False),
        ("Disallow: /café/", "/caf%C3%A9/b.jpg", False),
        ("Disallow:", "/b.jpg", True),
        ("Disallow: /a\nCrawl-delay: ²", "/a.jpg", False),
        ("Crawl-delay: ²\nDisallow: /a", "/a.jpg", False),
        ("Crawl-delay: -1\nRequest-rate: x/y\nno rule at all\nDisallow: /a", "/a.jpg", False),
        ("Crawl-delay: 86400\nDisallow: /a", "/b.jpg", True),  # not read, docs/sources.md
    ],
)
def test_rules_of_robots_txt_are_those_of_rfc_9309(rules: str, path: str, allowed: bool) -> None:
    robots = Robots(lambda url: f"\ufeffUser-agent: *\n{rules}\n".encode(), Clock())
    url = httpx.URL(f"http://photos.test{path}")
    if allowed:
        robots.check(url)
    else:
        assert failure_of(lambda: robots.check(url)).reason == quarantine.DISALLOWED


def test_a_host_that_is_not_there_is_left_alone_for_a_while(server: PictureServer) -> None:
    clock, hosts = Clock(), []
    lost = fetcher(clock=clock, resolve=lambda host, port: hosts.append(host) or ["127.0.0.77"])  # type: ignore[func-returns-value]
    for _ in range(3):
        failure = failure_of(lambda: lost.fetch(server.url("/good.jpg", "gone.test")))
        assert failure.reason == quarantine.UNREACHABLE
    assert len(hosts) == 1
    clock.now += ROBOTS_RETRY_SECONDS + 1
    failure_of(lambda: lost.fetch(server.url("/good.jpg", "gone.test")))
    assert len(hosts) == 2


def test_an_error_nobody_foresaw_is_not_remembered_for_ever() -> None:
    answers = iter([MemoryError(), b"User-agent: *\nDisallow: /secret"])

    def fetch(url: httpx.URL) -> bytes:
        answer = next(answers)
        if isinstance(answer, bytes):
            return answer
        raise answer

    robots = Robots(fetch, Clock())
    with pytest.raises(MemoryError):
        robots.check(httpx.URL("http://photos.test/a.jpg"))
    robots.check(httpx.URL("http://photos.test/a.jpg"))


def test_waits_double_and_a_host_that_asks_for_longer_gets_longer() -> None:
    rules = FetchRules(attempts=4, backoff_seconds=1.0, max_retry_after_seconds=30.0)

    def waits(retry_after: float | None) -> list[float | None]:
        failure = FetchFailure("x", "y", passing=True, retry_after_seconds=retry_after)
        return [wait_seconds(failure, attempt, rules, 0.5) for attempt in (1, 2, 3, 4)]

    assert waits(None) == [1.5, 3.0, 6.0, None]
    assert waits(5.0) == [5.0, 5.0, 6.0, None]
    assert waits(31.0) == [None] * 4
    assert wait_seconds(FetchFailure("x", "y"), 1, rules, 0.5) is None


def test_only_what_passes_is_tried_again(server: PictureServer) -> None:
    for path, tries in {"/missing.jpg": 1, "/always_500.jpg": 3, "/come_tomorrow.jpg": 1, "/garbage.jpg": 3}.items():
        clock = Clock()
        failure_of(lambda path=path, clock=clock: fetcher(clock=clock).fetch(server.url(path)))
        assert (path, server.paths().count(path)) == (path, tries)
        assert len(clock.slept) == tries - 1


def test_retry_after_is_understood_as_seconds_and_as_a_date() -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def http_date(moment: datetime) -> str:
        return moment.strftime("%a, %d %b %Y %H:%M:%S GMT")

    assert retry_after_seconds({"retry-after": " 7 "}) == 7.0
    later = {"retry-after": http_date(now + timedelta(seconds=90)), "date": http_date(now)}
    assert retry_after_seconds(later) == 90.0
    assert retry_after_seconds({"retry-after": http_date(now), "date": http_date(now + timedelta(days=1))}) == 0.0
    for strange in ("", "soon", "-5", "²", "1e9", http_date(now)):
        assert retry_after_seconds({"retry-after": strange}) is None


def test_a_host_gets_no_more_requests_at_a_time_than_agreed(server: PictureServer) -> None:
    polite = fetcher(replace(RULES, requests_per_host=2))
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(polite.fetch, [server.url(f"/busy{number}.jpg") for number in range(8)]))
    assert server.most_running == 2


def test_slots_are_limited_over_all_hosts_and_given_back() -> None:
    slots = HostSlots(per_host=5, overall=2)
    inside, most, lock = 0, 0, threading.Lock()

    def work(number: int) -> None:
        nonlocal inside, most
        with slots.slot(f"host{number}"):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(work, range(16)))
    assert most == 2
    assert not slots._running


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/a.jpg", "https://host/a.jpg"),
        ("https://me:secret@host:8443/a.jpg?w=1", "https://host:8443/a.jpg?w=1"),
        ("https://host/@me/a@2x.jpg?to=a@b", "https://host/@me/a@2x.jpg?to=a@b"),
        ("https://host/a.jpg?id=3&X-Amz-Signature=secret&w=1#secret", "https://host/a.jpg?id=3&w=1"),
        ("https://host/a.jpg?token=secret", "https://host/a.jpg"),
        ("http://me:sec/ret@host/a.jpg", "http://host/a.jpg"),
        ("me:secret@host/a.jpg", "host/a.jpg"),
    ],
)
def test_a_url_is_kept_without_its_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
    assert holds_secret(url) == (url != shown and "secret" in url.partition("#")[0])


def test_a_message_of_somebody_else_is_told_without_credentials() -> None:
    told = redacted("no answer from https://me:hunter2@host/a?sig=hunter2&se=3 (token=hunter2), see https://host/@me")
    assert told == "no answer from https://host/a?sig=...&se=3 (token=... see https://host/@me"


def test_tls_is_checked_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, "photos.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with serve(PICTURE, context) as server:
        assert fetcher(ssl_context=trusting).fetch(server.url("/good.jpg", "photos.test")) == PICTURE
        for untrusted in (server.url("/good.jpg", "other.test"), server.url("/good.jpg")):
            failure = failure_of(lambda url=untrusted: fetcher(ssl_context=trusting).fetch(url))
            assert failure.reason == quarantine.UNREACHABLE
            assert "certificate" in failure.detail
        unknown = failure_of(lambda: fetcher().fetch(server.url("/good.jpg", "photos.test")))
        assert unknown.reason == quarantine.UNREACHABLE


def write_certificate(directory: Path, host: str) -> tuple[Path, Path]:
    """A certificate for `host` that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return directory / "certificate.pem", directory / "key.pem"
