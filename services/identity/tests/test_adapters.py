"""Keys, passwords and refresh tokens."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import jwt
import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import FAMILY, SESSION, USER
from identity.keys import BrokenKeyRing, KeyRing
from identity.passwords import Passwords, is_common
from identity.refresh_tokens import RefreshToken
from runtime.clock import now
from runtime.envelope import Envelope

PUBLIC_HALF = (
    '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
)


ADA = "ada@example.com"


def signed(ring: KeyRing, at: datetime) -> str:
    return ring.access_token(UUID(USER), "user", UUID(FAMILY), UUID(SESSION), at)


def test_an_access_token_verifies_with_the_public_half(key_ring_file: Path) -> None:
    ring = KeyRing.read(key_ring_file)
    key = jwt.PyJWK(ring.public().keys[0]).key
    claims = jwt.decode(signed(ring, now()), key, algorithms=["EdDSA"], audience="agentapi", issuer="agentapi")
    assert (claims["sub"], claims["sid"], claims["role"]) == (USER, FAMILY, "user")
    assert claims["exp"] - claims["iat"] == 3600


def test_the_public_half_holds_no_secret(key_ring_file: Path) -> None:
    assert set(KeyRing.read(key_ring_file).public().keys[0]) == {"kty", "crv", "x", "kid", "alg", "use"}


@pytest.mark.parametrize("text", ["", "[]", '{"keys": []}', '{"keys": [{"kty": "RSA"}]}', PUBLIC_HALF, "\x00"])
def test_a_broken_key_ring_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "ring.json").write_text(text)
    with pytest.raises(BrokenKeyRing, match="KEY_RING_FILE"):
        KeyRing.read(tmp_path / "ring.json")


async def test_a_password_matches_its_hash_alone() -> None:
    passwords = Passwords()
    encoded = await passwords.hash("analytical engine", ADA, Envelope.begin())
    assert encoded.startswith("$argon2id$")
    assert await passwords.matches("analytical engine", encoded, ADA, Envelope.begin())
    assert not await passwords.matches("difference engine", encoded, ADA, Envelope.begin())


async def test_no_password_matches_nobody() -> None:
    assert not await Passwords().matches("nobody's password", None, ADA, Envelope.begin())


async def test_nothing_is_hashed_that_nobody_waits_for(quick_passwords: None) -> None:
    with pytest.raises(Refusal, match=Code.TOO_MANY_LOGINS):
        await Passwords().hash("analytical engine", ADA, Envelope.begin().within(-1))


def test_common_passwords_are_known_in_any_case() -> None:
    assert is_common("PassWord1")
    assert not is_common("secret123")  # the example of the API's own specification
    assert not is_common("analytical engine")


def test_a_refresh_token_survives_the_wire() -> None:
    token = RefreshToken.new(UUID(USER))
    assert RefreshToken.read(str(token)) == token
    assert token.secret not in token.hash


def test_only_the_secret_of_its_family_proves_where_a_refresh_token_came_from() -> None:
    first = RefreshToken.new(UUID(USER))
    assert (first.following().family_id, first.following().proven) == (first.family_id, True)
    made_up = RefreshToken.read(f"{USER}.{first.family_id.hex}.x")
    assert (made_up.family_id, made_up.proven) == (first.family_id, False)


@pytest.mark.parametrize("word", ["", "a.b.c", "one", f"{USER}.{FAMILY}", f"{USER}.{FAMILY}.x.y"])
def test_another_word_is_no_refresh_token(word: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        RefreshToken.read(word)


def test_times_are_of_the_zone_utc() -> None:
    assert now().tzinfo is UTC
