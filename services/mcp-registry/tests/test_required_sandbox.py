"""A service that requires a sandbox does not start without one."""

from pathlib import Path
from typing import Any, cast

import pytest
from eventing.testing.key_rings import ring_json
from mcp_registry.dependencies import dependencies
from mcp_registry.settings import Settings
from runtime.starting import CannotStart


async def test_a_service_that_requires_a_sandbox_does_not_start_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox._bwrap", lambda: Path("/bin/false"))
    values = {"database_url": "", "nats_url": "", "secrets_keys": ring_json("test"), "sandbox_required": True}
    none = cast(Any, None)
    with pytest.raises(CannotStart, match=r"^SANDBOX_REQUIRED=true: "):
        async with dependencies(Settings.model_validate(values), none, none):
            pass
