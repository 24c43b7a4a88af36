import json

from jwt import PyJWKSet
from onebox.keys import new_key_ring


def test_a_key_ring_holds_one_private_ed25519_key() -> None:
    [key] = json.loads(new_key_ring())["keys"]
    assert (key["kty"], key["crv"], set(key)) == ("OKP", "Ed25519", {"kty", "crv", "x", "d", "kid"})


def test_a_key_ring_can_be_read_as_a_jwk_set() -> None:
    ring = json.loads(new_key_ring())
    assert PyJWKSet.from_dict(ring)[ring["keys"][0]["kid"]].algorithm_name == "EdDSA"


def test_every_key_ring_has_a_different_key() -> None:
    assert new_key_ring() != new_key_ring()
