"""A credential provider for Cognite's SDK: ``pip install fourinsight-broker[cognite]``."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

try:
    from cognite.client.credentials import CredentialProvider
except ImportError as missing:
    raise ImportError("CogniteCredentials needs cognite-sdk; pip install fourinsight-broker[cognite]") from missing

from .provider import warn_of_api_key
from .source import TokenSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .session import Session

__all__ = ["CogniteCredentials"]

_SETTINGS = frozenset({"session_key", "scopes", "resource"})


class CogniteCredentials(CredentialProvider):
    """Signs the requests of a `CogniteClient` with a session's tokens.

    It keeps no token: the SDK asks before each request, and the broker answers within microseconds.

    Parameters
    ----------
    session_key : str or Session, optional
        The session, or its key. Defaults to ``"default"``.
    scopes : str or iterable of str, optional
        Scopes other than the session's own, such as those of another cluster.
    resource : str, optional
        The resource that the tokens are for (RFC 8707), if not the session's own.

    Warns
    -----
    UserWarning
        ``COGNITE_API_KEY`` is set, which old versions of the SDK prefer to any token.

    Examples
    --------
    >>> from cognite.client import ClientConfig, CogniteClient
    >>> from fourinsight_broker import CogniteCredentials
    >>> config = ClientConfig(
    ...     client_name="my-notebook",
    ...     project="my-project",
    ...     base_url="https://westeurope-1.cognitedata.com",
    ...     credentials=CogniteCredentials("cognite"),
    ... )
    >>> client = CogniteClient(config)
    """

    def __init__(
        self,
        session_key: str | Session | None = None,
        *,
        scopes: str | Iterable[str] | None = None,
        resource: str | None = None,
    ) -> None:
        warn_of_api_key(stacklevel=3)
        self._source = TokenSource(session_key, scopes=scopes, resource=resource)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._source.words()})"

    def authorization_header(self) -> tuple[str, str]:
        """Give the header of the next request.

        Returns
        -------
        tuple[str, str]
            Its name and its value.
        """
        return "Authorization", f"Bearer {self._source.token().secret}"

    @classmethod
    def load(cls, config: dict[str, Any] | str) -> CogniteCredentials:
        """Make one from a mapping, or from its YAML or JSON text.

        Parameters
        ----------
        config : dict or str
            ``session_key``, ``scopes`` and ``resource``; each may be left out. YAML needs PyYAML.

        Returns
        -------
        CogniteCredentials
            The credential provider.

        Examples
        --------
        >>> from fourinsight_broker import CogniteCredentials
        >>> CogniteCredentials.load({"session_key": "cognite"})
        CogniteCredentials('cognite')
        """
        loaded = _read(config) if isinstance(config, str) else config
        if not isinstance(loaded, dict):
            raise TypeError(f"the configuration is a mapping with any of {sorted(_SETTINGS)}")
        unknown = sorted(map(str, loaded.keys() - _SETTINGS))
        if unknown:
            raise ValueError(f"unknown in the configuration: {', '.join(unknown)}; it takes any of {sorted(_SETTINGS)}")
        return cls(**loaded)


def _read(text: str) -> Any:
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        return json.loads(text)
    return yaml.safe_load(text)
