"""The public keys of access tokens, as the identity service publishes them."""

import asyncio
import time

import jwt
from contracts.identity.login import GetKeys, KeysView
from contracts.wire import TOKEN_ALGORITHM
from runtime.bus import Bus, NoResponders, Unavailable
from runtime.bus.envelope import Envelope
from runtime.forever import NotYet
from runtime.logging import get_logger

log = get_logger()

REFRESH_SECONDS = 60.0
MIN_PAUSE_SECONDS = 10.0
"""Between two requests for an unknown key: clients choose the key ids, and must not cause a request each."""


class Keys:
    """The published keys, cached: tokens are verified even while the identity service is unavailable."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.published: KeysView | None = None
        self.by_id: dict[str, jwt.PyJWK] = {}
        self._asked, self._answered = -MIN_PAUSE_SECONDS, False
        self._asking = asyncio.Lock()
        self._waiting = False

    async def refresh(self) -> None:
        """Fetch the keys from the identity service.

        Raises:
            Unavailable: it did not answer.
        """
        published = await self.bus.ask(GetKeys(), Envelope.begin())
        ours = [key for key in published.keys if key.get("crv") == "Ed25519" and "kid" in key]
        self.by_id = {key["kid"]: jwt.PyJWK(key, TOKEN_ALGORITHM) for key in ours}
        self.published = published

    async def stay_fresh(self) -> None:
        """Fetch the keys, and return when they are due again; run repeatedly, so that withdrawn keys are noticed.

        Raises:
            NotYet: no identity service is running, which is logged once.
            Unavailable: one did not answer.
        """
        try:
            await self.refresh()
        except NoResponders:
            if not self._waiting:
                log.info("waiting for the identity service, which has the keys of access tokens")
            self._waiting = True
            raise NotYet from None
        self._waiting = False
        await asyncio.sleep(REFRESH_SECONDS)

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """Return the key with this id, or None; an unknown key is looked up, at most every 10 s.

        Raises:
            Unavailable: the identity service did not answer whether the key is one of its own.
        """
        if key_id not in self.by_id:
            await self._look_up_keys()
        return self.by_id.get(key_id)

    async def _look_up_keys(self) -> None:
        async with self._asking:
            if time.monotonic() - self._asked >= MIN_PAUSE_SECONDS:
                self._asked, self._answered = time.monotonic(), False
                await self.refresh()
                self._answered = True
        if not self._answered:
            raise Unavailable("the identity service did not return its keys")
