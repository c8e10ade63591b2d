"""Ten processes that call an API all the time, with tokens that live for seconds: it refuses none of their calls."""

from __future__ import annotations

import multiprocessing
import os
import time
import urllib.error
import urllib.request

from conftest import SignIn
from fourinsight_broker import Session

PROCESSES = 10
# `FOURINSIGHT_TEST_SECONDS=300` is the long form.
SECONDS = float(os.environ.get("FOURINSIGHT_TEST_SECONDS", "20"))
PAUSE = 0.05


def _calls(work: tuple[str, float]) -> tuple[int, int, int]:
    """Call the API until the end; how often, how often it refused, and with how many tokens."""
    api, seconds = work
    session = Session()
    calls = refused = 0
    tokens = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        token = session.token()
        tokens.add(token.id)
        request = urllib.request.Request(api, headers={"Authorization": f"Bearer {token.secret}"})
        calls += 1
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                answer.read()
        except urllib.error.HTTPError:
            refused += 1
        time.sleep(PAUSE)
    return calls, refused, len(tokens)


def test_no_call_is_refused_while_tokens_come_and_go(signed_in: SignIn) -> None:
    life = 5 if SECONDS < 60 else 20
    stage = signed_in(f"{life}s")
    work = (f"{stage.practice.issuer}/api/hello", SECONDS)
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        results = pool.map(_calls, [work] * PROCESSES, chunksize=1)
    calls = sum(calls for calls, _, _ in results)
    assert sum(refused for _, refused, _ in results) == 0
    assert calls > PROCESSES * SECONDS
    # Everybody was given the same few tokens, each of which lived for seconds.
    assert max(tokens for _, _, tokens in results) >= SECONDS / life
    ledger = stage.practice.ledger()
    assert ledger["refreshes"] <= 3 * SECONDS / life + 2
    assert ledger["most_redemptions_of_a_refresh_token"] == 1
