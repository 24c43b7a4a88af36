"""Texts of the sample report."""

DIFF = """\
--- a/app/limits.py
+++ b/app/limits.py
@@ -8,11 +8,13 @@ class RateLimiter:
     def allow(self, user_id: str, now: float) -> bool:
-        bucket = self.buckets.get(user_id, Bucket(self.rate, now))
-        bucket.tokens += (now - bucket.updated) * self.rate
-        if bucket.tokens < 1:
+        bucket = self.buckets.setdefault(user_id, Bucket(self.burst, now))
+        elapsed = max(now - bucket.updated, 0.0)
+        bucket.tokens = min(bucket.tokens + elapsed * self.rate, self.burst)
+        bucket.updated = now
+        if bucket.tokens < 1:
             return False
         bucket.tokens -= 1
         return True"""

TEST_CODE = '''\
"""Tests of the rate limiter."""

import pytest

from app.limits import RateLimiter


@pytest.mark.parametrize("requests", [1, 5, 60])
def test_requests_within_the_limit_are_allowed(requests: int) -> None:
    limiter = RateLimiter(rate=1.0, burst=60)  # one per second, 60 at once
    assert all(limiter.allow("ada", now=0.0) for _ in range(requests))


def test_the_clock_may_step_back() -> None:
    limiter = RateLimiter(rate=1.0, burst=1)
    limiter.allow("ada", now=100.0)
    assert not limiter.allow("ada", now=50.0)
'''

FAILURE_OUTPUT = """\
..F..                                                                    [100%]
=================================== FAILURES ===================================
__________________ test_the_clock_may_step_back ____________________
>       assert not limiter.allow("ada", now=50.0)
E       assert not True
tests/test_limits.py:17: AssertionError
1 failed, 4 passed in 0.11s"""

ANSWER = """\
The rate limiter let bursts through because an idle bucket gained tokens **without an upper bound**, and because a
clock that stepped back added a negative amount. Both are fixed:

- `RateLimiter.allow` now caps a bucket at `burst`, and ignores time that runs backwards.
- `tests/test_limits.py` covers both cases. All 6 tests pass.

| Case | Before | After |
|---|---:|---:|
| Requests allowed after 1 h idle | 3,600 | 60 |
| Requests allowed after a step back by 50 s | 1 | 0 |

I could not deploy to staging: the command needs an approval that was denied. See
[the token bucket algorithm](https://en.wikipedia.org/wiki/Token_bucket) for background."""

QUERIES = (
    "Users report that our API's rate limiter lets bursts of requests through after a quiet period. Find out why, "
    "fix it, and add tests that would have caught it.",
    "Also make sure that a clock which steps back does not grant extra requests.",
    "Deploy the fix to staging.",
)

PARTS = ["Timeline", "Charts", "Conversation", "Tool calls", "Files", "Approvals"]
"""Titles of the sections of the sample."""

SAID = [
    "Fix the rate limiter",  # the title
    "quiet period",  # the query
    "3 runs: 3 completed",  # the outcome
    "$0.3517",  # the cost
    "Bash: 1 of 3 calls failed",
    "Not before the release on Thursday.",  # why an approval was denied
    "gains tokens without a bound",  # a message
    "bucket.updated = now",  # a diff
    "6 passed in 0.09s",  # an output
    "tests/test_limits.py",  # a file
]
"""What every format shows of the sample."""
