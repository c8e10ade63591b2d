from __future__ import annotations

import pytest

from fourinsight_broker.origin import Origin, is_secure, origin_of


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.4insight.io", Origin("https", "api.4insight.io", 443)),
        ("HTTPS://API.4insight.io:443/a?b=https://other.example#c@d", Origin("https", "api.4insight.io", 443)),
        ("https://api.4insight.io:8443?x", Origin("https", "api.4insight.io", 8443)),
        ("https://[2001:db8::1]:8443/", Origin("https", "2001:db8::1", 8443)),
        ("http://127.0.0.1:8080/", Origin("http", "127.0.0.1", 8080)),
        ("http://127.9.9.9/", Origin("http", "127.9.9.9", 80)),
        ("http://[::1]:80/", Origin("http", "::1", 80)),
        ("http://localhost/", Origin("http", "localhost", 80)),
    ],
)
def test_a_token_may_go_over_https_or_to_this_machine(url: str, origin: Origin) -> None:
    assert origin_of(url) == origin
    assert is_secure(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.4insight.io/",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
        "http://localhost.example/",
        "http://127.0.0.1.example/",
        "http://2130706433/",
        "ftp://localhost/",
        "//api.4insight.io/",
        "/v1.0/Campaigns",
        "",
    ],
)
def test_nothing_goes_anywhere_else(url: str) -> None:
    assert origin_of(url) is None
    assert not is_secure(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.4insight.io@evil.example/",
        "https://user:password@api.4insight.io/",
        "https://api.4insight.io\\@evil.example/",
        "https://api.4insight.io\\.evil.example/",
        "https://api.4insight.io\t.evil.example/",
        "https://api.4insight.io .evil.example/",
        "https://\u0430pi.4insight.io/",
        "https://api.4insight.io:port/",
        "https://api.4insight.io:99999/",
        "https://[::1/",
        "https:///evil.example/",
        "https://",
    ],
)
def test_what_can_be_read_in_two_ways_gets_no_token(url: str) -> None:
    assert origin_of(url) is None


def test_each_of_scheme_host_and_port_counts() -> None:
    urls = (
        "https://localhost:1",
        "http://localhost:1",
        "https://localhost:2",
        "https://127.0.0.1:1",
        "https://localhost",
    )
    assert len({origin_of(url) for url in urls}) == len(urls)
