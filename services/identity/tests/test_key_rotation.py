"""Rotation of the keys of access tokens, which logs nobody out."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from contracts.samples import FAMILY, SESSION, USER
from identity.credentials import keys
from identity.credentials.keys import ACCESS_TOKEN_LIFETIME, PUBLICATION_LEAD, KeyRing, KeyRingFile
from identity.operations import main
from runtime.clock import now
from runtime.forever import forever
from runtime.testing import background, eventually

AT = now()


def token(ring: KeyRing, at: datetime) -> str:
    return ring.access_token(UUID(USER), "user", UUID(FAMILY), UUID(SESSION), at)


def signed_by(ring: KeyRing, at: datetime) -> str:
    return jwt.get_unverified_header(token(ring, at))["kid"]


def published(ring: KeyRing) -> list[str]:
    return [key["kid"] for key in ring.public_keys().keys]


def test_a_new_key_is_published_before_it_signs(key_ring_file: Path):
    ring = KeyRing.read(key_ring_file).rotated(AT)
    new, old = published(ring)
    assert old == "one"
    assert signed_by(ring, AT) == old
    assert signed_by(ring, AT + PUBLICATION_LEAD) == new


def test_tokens_of_the_old_key_are_valid_after_a_rotation(key_ring_file: Path):
    before = KeyRing.read(key_ring_file)
    issued = token(before, AT)
    by_id = {key["kid"]: jwt.PyJWK(key) for key in before.rotated(AT).public_keys().keys}
    key = by_id[jwt.get_unverified_header(issued)["kid"]]
    options: Any = {"verify_exp": False}
    assert jwt.decode(issued, key, ["EdDSA"], audience="agentapi", options=options)["sub"] == USER


def test_an_old_key_is_removed_when_its_last_token_has_expired(key_ring_file: Path):
    first = KeyRing.read(key_ring_file).rotated(AT)
    soon = first.rotated(AT + ACCESS_TOKEN_LIFETIME)
    assert len(soon.keys) == 3
    later = first.rotated(AT + ACCESS_TOKEN_LIFETIME + 3 * PUBLICATION_LEAD)
    assert "one" not in published(later)
    assert len(later.keys) == 2


def test_rotating_twice_in_a_row_keeps_the_signing_key(key_ring_file: Path):
    ring = KeyRing.read(key_ring_file).rotated(AT).rotated(AT + timedelta(seconds=1))
    assert signed_by(ring, AT + timedelta(seconds=2)) == "one"
    assert signed_by(ring, AT + 2 * PUBLICATION_LEAD) == published(ring)[0]


def test_public_keys_do_not_say_when_they_are_used(key_ring_file: Path):
    for key in KeyRing.read(key_ring_file).rotated(AT).public_keys().keys:
        assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"}


def test_the_command_rewrites_the_file_for_its_owner_alone(
    key_ring_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("KEY_RING_FILE", str(key_ring_file))
    assert main(["rotate-keys"]) is None
    assert key_ring_file.stat().st_mode & 0o777 == 0o600
    ring = KeyRing.read(key_ring_file)
    assert published(ring)[0] in capsys.readouterr().out
    assert json.loads(key_ring_file.read_text())["keys"][1]["kid"] == "one"


def test_the_command_names_a_missing_setting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("KEY_RING_FILE", raising=False)
    assert "KEY_RING_FILE" in (main(["rotate-keys"]) or "")


@pytest.mark.parametrize("arguments", [["help"], ["reset-password"], ["rotate-keys", "now"]])
def test_unknown_arguments_print_the_usage(arguments: list[str]):
    assert (main(arguments) or "").startswith("usage: ")


async def test_a_running_service_reads_a_changed_ring(key_ring_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keys, "REREAD_SECONDS", 0.01)
    file = KeyRingFile(key_ring_file)
    async with background(forever("key ring", file.follow)):
        KeyRing.read(key_ring_file).rotated(AT).write(key_ring_file)
        await eventually(lambda: len(file.ring.keys) == 2)


async def test_a_ring_that_becomes_invalid_changes_nothing(key_ring_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keys, "REREAD_SECONDS", 0)
    file = KeyRingFile(key_ring_file)
    await asyncio.to_thread(key_ring_file.write_text, "{}")
    with pytest.raises(keys.InvalidKeyRing):
        await asyncio.wait_for(file.follow(), 60)
    assert published(file.ring) == ["one"]
