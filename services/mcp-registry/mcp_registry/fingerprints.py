"""Fingerprints of tools."""

import hashlib
import json

from contracts.mcp_registry.values import Fingerprint, Tool


def fingerprint(tool: Tool) -> Fingerprint:
    """Return the SHA-256 of all that a server says about a tool."""
    text = json.dumps(tool.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
