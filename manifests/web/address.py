"""The address on which a server listens, and its URL."""

import argparse
import ipaddress
import socket

from manifests.errors import UserError


def listen(host: str, port: int) -> socket.socket:
    """Open a socket that listens on the address; UserError when it is taken or unknown."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise UserError(
            f"expected port {port} on {host} to be free, found: {error.strerror}; choose another --port or --host"
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """The URL for a browser on this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - it is compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def port(text: str) -> int:
    """Argument type: a port number in range; the system would wrap a larger one around."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, found {number}")
    return number


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
