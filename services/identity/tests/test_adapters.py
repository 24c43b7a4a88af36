"""Keys, passwords and refresh tokens."""

import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import jwt
import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import FAMILY, SESSION, USER
from identity.credentials.keys import InvalidKeyRing, KeyRing
from identity.credentials.passwords import Passwords, is_common
from identity.credentials.refresh_tokens import RefreshToken
from runtime.bus.envelope import Envelope
from runtime.clock import now

PUBLIC_KEY_ONLY = (
    '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
)


ADA = "ada@example.com"


def signed(ring: KeyRing, at: datetime) -> str:
    return ring.access_token(UUID(USER), "user", UUID(FAMILY), UUID(SESSION), at)


def test_an_access_token_verifies_with_the_public_key(key_ring_file: Path) -> None:
    ring = KeyRing.read(key_ring_file)
    key = jwt.PyJWK(ring.public_keys().keys[0]).key
    claims = jwt.decode(signed(ring, now()), key, algorithms=["EdDSA"], audience="agentapi", issuer="agentapi")
    assert (claims["sub"], claims["sid"], claims["role"]) == (USER, FAMILY, "user")
    assert claims["exp"] - claims["iat"] == 3600


def test_public_keys_contain_no_private_member(key_ring_file: Path) -> None:
    assert set(KeyRing.read(key_ring_file).public_keys().keys[0]) == {"kty", "crv", "x", "kid", "alg", "use"}


@pytest.mark.parametrize("text", ["", "[]", '{"keys": []}', '{"keys": [{"kty": "RSA"}]}', PUBLIC_KEY_ONLY, "\x00"])
def test_an_unusable_key_ring_is_an_error_that_names_the_setting(tmp_path: Path, text: str) -> None:
    (tmp_path / "ring.json").write_text(text)
    with pytest.raises(InvalidKeyRing, match="KEY_RING_FILE"):
        KeyRing.read(tmp_path / "ring.json")


async def test_only_the_right_password_matches_a_hash() -> None:
    passwords = Passwords()
    encoded = await passwords.hash("plantedsecret-analytical engine", ADA, Envelope.begin())
    assert encoded.startswith("$argon2id$")
    assert await passwords.matches("plantedsecret-analytical engine", encoded, ADA, Envelope.begin())
    assert not await passwords.matches("plantedsecret-difference engine", encoded, ADA, Envelope.begin())


async def test_no_password_matches_a_missing_hash() -> None:
    assert not await Passwords().matches("nobody's password", None, ADA, Envelope.begin())


async def test_a_request_past_its_deadline_is_refused_without_hashing(quick_passwords: None) -> None:
    with pytest.raises(Refusal, match=Code.TOO_MANY_LOGINS):
        await Passwords().hash("plantedsecret-analytical engine", ADA, Envelope.begin().within(-1))


def test_common_passwords_are_recognized_in_any_case() -> None:
    assert is_common("PassWord1")
    assert not is_common("secret123")  # the example of the API specification
    assert not is_common("plantedsecret-analytical engine")


def test_a_refresh_token_is_parsed_from_its_text() -> None:
    token = RefreshToken.new(UUID(USER))
    assert RefreshToken.parse(str(token)) == token
    assert token.secret not in token.hash


def test_only_the_family_secret_proves_the_family_of_a_refresh_token() -> None:
    first = RefreshToken.new(UUID(USER))
    assert (first.successor().family_id, first.successor().has_family_secret) == (first.family_id, True)
    forged = RefreshToken.parse(f"{USER}.{first.family_id.hex}.x")
    assert (forged.family_id, forged.has_family_secret) == (first.family_id, False)


@pytest.mark.parametrize("text", ["", "a.b.c", "one", f"{USER}.{FAMILY}", f"{USER}.{FAMILY}.x.y"])
def test_other_texts_are_not_refresh_tokens(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        RefreshToken.parse(text)


def test_the_clock_returns_utc() -> None:
    assert now().tzinfo is UTC


def test_hashing_has_a_priority_between_requests_and_agents() -> None:
    threads = Passwords()._threads  # pyright: ignore[reportPrivateUsage]
    niceness = threads.submit(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())).result()
    assert os.nice(0) < niceness < os.nice(0) + 10
