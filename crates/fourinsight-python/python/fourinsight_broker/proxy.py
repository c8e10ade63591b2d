"""Whether a proxy of the environment is on the way to this machine itself, where plain http has it read every token."""

from __future__ import annotations

import logging
from urllib.request import getproxies

from .origin import origin_of

__all__ = ["is_on_the_way", "say_proxied"]

_log = logging.getLogger("fourinsight_broker")


def is_on_the_way(url: str) -> bool:
    """Tell whether a proxy of the environment may be handed what goes to this address of plain http.

    Libraries read ``NO_PROXY`` each in their own way: only what all of them take for an exception is one here, which
    is a ``*`` alone and the very name of the host.

    Parameters
    ----------
    url : str
        The address.

    Returns
    -------
    bool
        ``False`` for https as well, which a proxy passes on without reading it.
    """
    origin = origin_of(url)
    if origin is None or origin.scheme != "http":
        return False
    proxies = getproxies()
    if not (proxies.get("http") or proxies.get("all")):
        return False
    excepted = proxies.get("no", "").strip().lower()
    return excepted != "*" and origin.host not in {entry.strip() for entry in excepted.split(",")}


def say_proxied() -> None:
    """Log that a request goes without a token, because a proxy would read it."""
    _log.warning(
        "a request to this machine itself goes without a token, because HTTP_PROXY or its like has it go by way of a "
        "proxy, which would read the token; name the host in NO_PROXY, as in NO_PROXY=localhost,127.0.0.1"
    )
