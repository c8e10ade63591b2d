"""Where a bearer token may go: to the origin that was asked first, over https or on this machine, and nowhere else."""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["Guard", "Origin", "is_secure", "origin_of"]

_PORTS = {"https": 443, "http": 80}

# What one reader of an address takes for a part of the host's name and another one for its end.
_AMBIGUOUS = frozenset("\\@") | {chr(code) for code in range(33)} | {chr(127)}


class Origin(NamedTuple):
    """A scheme, a host and a port (RFC 6454): whoever answers at one has all that is sent to it."""

    scheme: str
    host: str
    port: int


class Guard:
    """Remembers the origin that was asked first, and allows no other. Threads may share it.

    Examples
    --------
    >>> guard = Guard()
    >>> guard.allows("https://api.example.com/v1/files")
    True
    >>> guard.allows("https://elsewhere.example.com/v1/files")
    False
    """

    def __init__(self) -> None:
        self._first: dict[str, Origin] = {}

    def allows(self, url: str) -> bool:
        """Tell whether a request for this address may carry the token."""
        origin = origin_of(url)
        # One step, so that of two threads one is the first.
        return origin is not None and self._first.setdefault("origin", origin) == origin


def origin_of(url: str) -> Origin | None:
    """Give the origin of an address to which a token may go.

    Parameters
    ----------
    url : str
        The address, best as the HTTP library is about to use it.

    Returns
    -------
    Origin or None
        ``None`` where no token may go: not https and not on this machine, an address with user information in it,
        or one that could be read in two ways.
    """
    scheme, _, rest = url.partition("://")
    authority = rest.partition("/")[0].partition("?")[0].partition("#")[0]
    scheme = scheme.lower()
    if scheme not in _PORTS or not authority.isascii() or not _AMBIGUOUS.isdisjoint(authority):
        return None
    try:
        parts = urlsplit(f"{scheme}://{authority}")
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if not host or (scheme == "http" and not _is_loopback(host)):
        return None
    return Origin(scheme, host, _PORTS[scheme] if port is None else port)


def is_secure(url: str) -> bool:
    """Tell whether nobody on the way can read what is sent there: https, or plain http on this machine."""
    return url.lower().startswith("https://") or origin_of(url) is not None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
