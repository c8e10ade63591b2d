"""Where a bearer token may go: to the origin that was asked first, over https, or to this machine itself."""

from __future__ import annotations

import re
import threading
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

__all__ = ["Guard", "Origin", "origin_of"]

Origin = tuple[str, str, int]
"""Scheme, host and port."""

_UP_TO_THE_PATH = re.compile("(?:[^/?#]*//)?[^/?#]*")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Guard:
    """Remembers the origin that was asked first, and allows no other.

    Examples
    --------
    >>> guard = Guard()
    >>> guard.allows("https://api.example.com/v1/files")
    True
    >>> guard.allows("https://elsewhere.example.com/v1/files")
    False
    """

    def __init__(self) -> None:
        self._first: Origin | None = None
        self._lock = threading.Lock()

    def allows(self, url: str) -> bool:
        """Tell whether a request for this URL may carry the token."""
        origin = origin_of(url)
        if origin is None:
            return False
        with self._lock:
            if self._first is None:
                self._first = origin
            return origin == self._first


def origin_of(url: str) -> Origin | None:
    """Give the origin of a URL to which a token may be sent at all; ``None`` for any other."""
    # Programs differ in what they make of these characters, so that one may connect to another host than is read here.
    start = _UP_TO_THE_PATH.match(url)
    if start is None or any(character <= " " or character in "\\\x7f" for character in start.group()):
        return None
    try:
        parts = urlsplit(url)
        host, port = _host(parts), parts.port
    except ValueError:
        return None
    if not host or parts.scheme not in _DEFAULT_PORTS:
        return None
    if parts.scheme == "http" and not _is_loopback(host):
        return None
    return parts.scheme, host, _DEFAULT_PORTS[parts.scheme] if port is None else port


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").lower()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
