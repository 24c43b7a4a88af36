import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm


@pytest.fixture
def key_ring_file(tmp_path: Path) -> Path:
    """A ring of one new key."""
    key = json.loads(OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate()))
    path = tmp_path / "ring.json"
    path.write_text(json.dumps({"keys": [key | {"kid": "one"}]}))
    return path
