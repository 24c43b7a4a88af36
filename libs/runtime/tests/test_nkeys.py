"""Keys of NATS, compared with the library that programs in Python use."""

import base64
import json
from collections.abc import Callable
from typing import Any, cast

import nkeys
import pytest
from runtime.bus.nkeys import ACCOUNT, USER, KeyPair, claims_of, has_signed

DATA = b"nonce"


def library_key(key: KeyPair) -> Any:
    """Return a key as the library of programs has it, which has no types."""
    return cast(Any, nkeys).from_seed(bytearray(key.seed.encode()))


@pytest.mark.parametrize("kind", [ACCOUNT, USER])
def test_a_seed_is_read_by_the_library_of_programs(kind: int) -> None:
    key = KeyPair.new(kind)
    theirs = library_key(key)
    assert theirs.public_key.decode() == key.public
    assert theirs.sign(DATA) == key.sign(DATA)
    assert KeyPair.of_seed(key.seed) == key


def test_the_private_key_is_not_shown() -> None:
    key = KeyPair.new(USER)
    assert repr(key.raw) not in repr(key)


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_signature_is_accepted_in_either_alphabet(encode: Callable[[bytes], bytes]) -> None:
    key = KeyPair.new(USER)
    for text in (encode(key.sign(DATA)).decode(), encode(key.sign(DATA)).decode().rstrip("=")):
        assert has_signed(key.public, text, DATA)


def test_a_signature_of_anything_else_is_not_accepted() -> None:
    key, other, account = KeyPair.new(USER), KeyPair.new(USER), KeyPair.new(ACCOUNT)
    good = base64.b64encode(key.sign(DATA)).decode()
    assert not has_signed(other.public, good, DATA)
    assert not has_signed(key.public, good, b"another nonce")
    assert not has_signed(account.public, base64.b64encode(account.sign(DATA)).decode(), DATA)


@pytest.mark.parametrize("wrong", ["", "U", "U" * 56, "é" * 56, "U" * 5000, "UAAA=", "0189"])
def test_malformed_keys_and_signatures_are_not_accepted(wrong: str) -> None:
    key = KeyPair.new(USER)
    assert not has_signed(wrong, base64.b64encode(key.sign(DATA)).decode(), DATA)
    assert not has_signed(key.public, wrong, DATA)
    with pytest.raises(ValueError, match="nkey"):
        KeyPair.of_seed(wrong)


def test_a_public_key_is_no_seed() -> None:
    with pytest.raises(ValueError, match="nkey"):
        KeyPair.of_seed(KeyPair.new(USER).public)


def test_a_token_carries_its_claims_and_the_signature_of_its_issuer() -> None:
    issuer = KeyPair.new(ACCOUNT)
    token = issuer.token({"sub": "U"}, 1)
    claims = claims_of(token)
    assert (claims["sub"], claims["iss"], claims["iat"]) == ("U", issuer.public, 1)
    head, _, signature = token.rpartition(".")
    library_key(issuer).verify(head.encode(), base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    assert json.loads(base64.urlsafe_b64decode(head.partition(".")[0] + "==")) == {"typ": "JWT", "alg": "ed25519-nkey"}


@pytest.mark.parametrize("wrong", ["", "a.b", "a.b.c", "a.e30.c.d", "."])
def test_what_is_no_token_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="token"):
        claims_of(wrong)
