"""Fingerprints of tools, by which a changed tool is recognized."""

import json
from hashlib import sha256

from contracts.mcp_registry.values import Fingerprint, Tool


def fingerprint(tool: Tool) -> Fingerprint:
    """Return the SHA-256 of all that a tool says about itself, as canonical JSON, in hexadecimal."""
    canonical = json.dumps(tool.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(canonical.encode()).hexdigest()
