"""The Autobahn test suite (RFC 6455, RFC 7692), run by kosoku against a bare echo on our WebSocket."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import kosoku
import pytest

COMPRESSION = ["12.*", "13.*"]
THROUGHPUT = ["9.*"]  # megabytes, no conformance: what of it matters is in the bench
# A thousand compressed messages in each: --soak runs them all.
SOME_COMPRESSION = ["12.*.2", "12.*.5", "13.*.2", "13.*.5"]  # 13.3 and 13.5 grant a small window


def test_every_case_passes_strictly(site):
    results = run(site, exclude_cases=THROUGHPUT + COMPRESSION)
    assert len(results) == 247
    assert failures(results, "OK", "INFORMATIONAL") == []


@pytest.mark.timeout(1200)  # the whole takes its time
@pytest.mark.filterwarnings("ignore:unclosed file.*kosoku:ResourceWarning")  # its cases read their data so
def test_compression_is_done_right_with_every_window_that_is_offered(site):
    whole = "SOAK" in os.environ
    results = run(site, cases=COMPRESSION if whole else SOME_COMPRESSION)
    assert len(results) == (216 if whole else 24)
    assert failures(results, "OK", "INFORMATIONAL") == []


def run(site, **cases):
    # A few cases wait a second for what must not come: several run at once.
    url = f"ws://127.0.0.1:{site.port}/bare"

    def play():
        try:
            return asyncio.run(kosoku.run_fuzzingclient(url, concurrency=8, **cases))
        except kosoku.FailureError as failure:
            return failure.results

    with ThreadPoolExecutor(1) as thread:  # a browser left open has the event loop of this one
        return thread.submit(play).result()


def failures(results, *fine):
    return [
        f"{case.case_id} {case.behavior.value}, close {case.behavior_close.value}: {case.result}"
        for case in results
        if case.behavior.value not in fine or case.behavior_close.value not in ("OK", "INFORMATIONAL")
    ]
