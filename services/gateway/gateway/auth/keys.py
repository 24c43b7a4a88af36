"""The public keys of access tokens, as the identity service publishes them."""

import asyncio
import time

import jwt
from contracts.identity.queries import GetKeys, KeysView
from contracts.wire import TOKEN_ALGORITHM
from runtime.bus import Bus, Unavailable
from runtime.envelope import Envelope

FRESH_FOR = 60.0
MIN_PAUSE = 10.0


class Keys:
    """The key ring, kept: while identity is away, tokens are still verified."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.published: KeysView | None = None
        self.by_id: dict[str, jwt.PyJWK] = {}
        self._asked, self._answered = -MIN_PAUSE, False
        self._asking = asyncio.Lock()

    async def refresh(self) -> None:
        """Ask identity for the keys.

        Raises:
            Unavailable: it did not answer.
        """
        published = await self.bus.ask(GetKeys(), Envelope.begin())
        ours = [key for key in published.keys if key.get("crv") == "Ed25519" and "kid" in key]
        self.by_id = {key["kid"]: jwt.PyJWK(key, TOKEN_ALGORITHM) for key in ours}
        self.published = published

    async def stay_fresh(self) -> None:
        """Refresh now, and return when it is time again; run forever, it notices withdrawn keys."""
        await self.refresh()
        await asyncio.sleep(FRESH_FOR)

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """Give the key with this id; an unknown one is asked for, at most every 10 s.

        Raises:
            Unavailable: identity did not say whether it is one of its keys.
        """
        if key_id not in self.by_id:
            await self._look_again()
        return self.by_id.get(key_id)

    async def _look_again(self) -> None:
        async with self._asking:
            if time.monotonic() - self._asked >= MIN_PAUSE:
                self._asked, self._answered = time.monotonic(), False
                await self.refresh()
                self._answered = True
        if not self._answered:
            raise Unavailable("identity did not answer which keys are its own")
