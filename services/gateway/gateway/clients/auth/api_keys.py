"""API keys: verified by the identity service, and cached. A revoked one is refused by `Revocations` at once."""

import asyncio
import time
from datetime import datetime
from math import inf
from uuid import UUID

from contracts.identity.api_key import RecordApiKeyUses, VerifyApiKey
from contracts.refusals import Refusal
from runtime import clock
from runtime.bus import Bus
from runtime.bus.envelope import Envelope
from runtime.secrets.api_key import ApiKeyText

from gateway.clients.auth.token import Token, refused

REVERIFY_SECONDS = 60.0
REPORT_SECONDS = 60.0


class ApiKeys:
    """Verifies API keys, and reports their uses to the identity service about once a minute."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.uses: dict[UUID, datetime] = {}

    async def read(self, text: str) -> Token:
        """Return the claims of an API key, in the form of those of a token.

        Raises:
            Problem: it is not valid.
            Unavailable: the identity service did not answer.
        """
        try:
            key = ApiKeyText.parse(text)
            query = VerifyApiKey(key_id=key.id, secret_hash=key.secret_hash)
            holder = await self.bus.ask(query, Envelope.begin())
        except (ValueError, Refusal):
            raise refused("The API key is not valid.") from None
        expires_at = holder.expires_at.timestamp() if holder.expires_at else inf
        reread_at = time.monotonic() + REVERIFY_SECONDS
        return Token(holder.actor, key.id, expires_at, None, frozenset(holder.scopes), reread_at)

    def record_use(self, key_id: UUID) -> None:
        """Note that a key is used now."""
        self.uses[key_id] = clock.now()

    async def report_uses(self) -> None:
        """Pause, and report the uses since the last report; to be run repeatedly."""
        await asyncio.sleep(REPORT_SECONDS)
        if self.uses:
            await self.bus.ask(RecordApiKeyUses(uses=self.uses), Envelope.begin())
            self.uses = {}
