"""Nothing in a response says whether a resource of another user exists."""

import pytest
from onebox.testing.system import System

from tests.e2e.sweep.journey import Sweep
from tests.e2e.sweep.oracles import OPERATIONS
from tests.e2e.user import admin_of, newcomer

pytestmark = pytest.mark.timeout(600)


def test_a_resource_of_another_user_looks_like_none(sweep: Sweep) -> None:
    assert len(OPERATIONS) > 40
    assert sweep.revealing == []


def test_a_key_of_another_user_is_unused(swept_system: System) -> None:
    key = {"idempotency-key": "of-everybody"}
    names = ("one", "other")
    users = (user for users in (newcomer(swept_system), admin_of(swept_system)) for user in users)
    answers = [
        user.http.post("/sessions", json={"name": name}, headers=key) for user, name in zip(users, names, strict=True)
    ]
    assert [(answer.status_code, answer.json()["name"]) for answer in answers] == [(201, "one"), (201, "other")]
