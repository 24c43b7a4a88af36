"""Rings of master keys for tests."""

import base64
import json

from runtime.secrets.key_ring import KeyRing


def ring_json(*ids: str) -> str:
    """Return a ring as JSON, whose keys derive from their ids."""
    keys = {id: base64.b64encode(id.encode().ljust(32, b"-")).decode() for id in ids}
    return json.dumps({"keys": [{"id": id, "key": key} for id, key in keys.items()]})


def ring(*ids: str) -> KeyRing:
    """Return a ring whose keys derive from their ids."""
    return KeyRing.parse(ring_json(*ids), "SECRETS_KEYS")


def default_ring() -> KeyRing:
    """Return the ring of the databases of tests."""
    return ring("test")
