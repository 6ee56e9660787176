"""Which addresses may be connected to, checked on the connection itself.

A name is resolved once and the connection goes to an address that was checked, so resolving to another address a
moment later has no effect. TLS and the Host header still use the name.
"""

import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

from pipeline.quarantine import REFUSED_ADDRESS, UNREACHABLE
from pipeline.sources.web.retries import FetchFailure

Resolve = Callable[[str, int], list[str]]

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet: not private, loopback, link-local, multicast, reserved, ..."""
    ip = _innermost(ipaddress.ip_address(address))
    special = ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_reserved
    site_local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    return ip.is_global and not (special or ip.is_unspecified or site_local)


def resolve(host: str, port: int) -> list[str]:
    """Resolve the host by the system's resolver, without a time limit of our own; FetchFailure without any address."""
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        passing = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
        raise FetchFailure(UNREACHABLE, f"expected an address of {host}, found: {error}", passing=passing) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in entries))


class CheckedBackend(httpcore.NetworkBackend):
    """Connections to checked addresses only, which end at `deadline` by `clock` in any case."""

    def __init__(
        self, *, allow_private_addresses: bool, deadline: float, clock: Callable[[], float], resolve: Resolve = resolve
    ) -> None:
        self._allow_private_addresses = allow_private_addresses
        self._deadline = deadline
        self._clock = clock
        self._resolve = resolve

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first permitted address of `host` that accepts; FetchFailure when none is permitted."""
        failure: Exception | None = None
        for address in self._permitted(host, port):
            seconds_left = _seconds_left(self._deadline, self._clock)
            try:
                stream = httpcore.SyncBackend().connect_tcp(
                    address, port, min(seconds_left, timeout or seconds_left), local_address, socket_options
                )
                return _EndingStream(stream, self._deadline, self._clock)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None, "a name has at least one address"
        raise failure

    def _permitted(self, host: str, port: int) -> list[str]:
        addresses = self._resolve(host, port)
        permitted = [address for address in addresses if self._allow_private_addresses or is_public(address)]
        if not permitted:
            raise FetchFailure(
                REFUSED_ADDRESS,
                f"expected a public address, found {host} at {', '.join(addresses) or 'none'}; "
                "--allow-private-addresses lets it pass",
            )
        return permitted


class _EndingStream(httpcore.NetworkStream):
    """A stream that ends at a deadline, even when the other side keeps sending."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._deadline = deadline
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._at_most(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._at_most(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            stream = self._stream.start_tls(ssl_context, server_hostname, self._at_most(timeout))
        except BaseException:  # no other code closes it
            self._stream.close()
            raise
        return _EndingStream(stream, self._deadline, self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _at_most(self, timeout: float | None) -> float:
        seconds_left = _seconds_left(self._deadline, self._clock)
        return seconds_left if timeout is None else min(seconds_left, timeout)


def _seconds_left(deadline: float, clock: Callable[[], float]) -> float:
    seconds_left = deadline - clock()
    if seconds_left <= 0:
        raise httpcore.ReadTimeout("the time for this image is over")
    return seconds_left


def _innermost(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 address stands for (mapped, 6to4, NAT64), else the address itself."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
