"""The short form of `make fuzz`."""

import pytest

from tests.fuzz import api, sockets

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("servers"), pytest.mark.timeout(400)]

SHORT = api.Budget(seconds=40, examples=2, seed=1)


def test_generated_requests_are_answered_as_documented() -> None:
    assert api.fuzz(SHORT) == 0


def test_generated_messages_are_answered_or_close_the_socket_as_documented() -> None:
    assert sockets.fuzz(api.Budget(seconds=20, examples=60, seed=1)) == 0
