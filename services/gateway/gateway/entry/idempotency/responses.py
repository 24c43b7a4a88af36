"""Responses that are kept for repetitions: packed, and sealed if the gateways have a key ring.

Neither the bus nor a gateway alone can open one. Its key derives from a key of the ring, which the bus does not have,
and from the Idempotency-Key of the client, which only a repetition of the request brings along.
"""

import zlib
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, Field, ValidationError
from runtime.logging import get_logger
from runtime.secrets.key_ring import Ring
from runtime.secrets.sealing import KEY_BYTES, SecretUnreadable, seal, unseal

from gateway.entry.idempotency.keys import KeyedRequest

log = get_logger()

MAX_RESPONSE_BYTES = 2**20
"""Size of the largest response that is held back until it is complete."""
MAX_STORED_BYTES = 2**18
"""Size of the largest packed response that is stored; JSON shrinks to a fourth or less."""
_FAST = 1
_MAX_UNPACKED = 2 * MAX_RESPONSE_BYTES


class StoredResponse(BaseModel):
    """A response to replay; `variant` and `route` are those of the request."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = Field(exclude=True, default=b"")
    variant: str
    route: str

    def packed(self) -> bytes:
        """Return the response as compressed bytes."""
        return zlib.compress(b"%b\n%b" % (self.model_dump_json().encode(), self.body), _FAST)

    @classmethod
    def unpacked(cls, packed: bytes) -> Self:
        """Return the response that was packed.

        Raises:
            zlib.error, ValidationError: the bytes are no response.
        """
        head, _, body = zlib.decompressobj().decompress(packed, _MAX_UNPACKED).partition(b"\n")
        return cls.model_validate_json(head).model_copy(update={"body": body})


class Seals:
    """Packs and seals responses, and opens them for repetitions of their requests."""

    def __init__(self, ring: Ring | None) -> None:
        self.ring = ring

    def seal(
        self, response: StoredResponse, request: KeyedRequest, digest: str, *, secret: bool
    ) -> tuple[str | None, bytes] | None:
        """Return what to store of a response, after the id of the key that it is sealed with if there is a ring.

        `digest` is that of the request's content. Returns None for a response that must not be stored: one that is too
        large, or a secret without a ring.
        """
        packed = response.packed()
        if len(packed) > MAX_STORED_BYTES or (secret and not self.ring):
            return None
        if not self.ring:
            return None, packed
        ring, place = self.ring(), _place(request, digest)
        return ring.newest, seal(_key(ring.keys[ring.newest], request, place), packed, place)

    def open(self, key_id: str | None, content: bytes, request: KeyedRequest, digest: str) -> StoredResponse | None:
        """Return the stored response to a request with this digest; None if it cannot be opened.

        It was stored for another request; its key is not in the ring any more, or is another one; or it is not sealed
        although there is a ring, so that another writer to the bus may have made it up; or another release stored it.
        """
        try:
            packed = self._unsealed(key_id, content, request, digest)
            return None if packed is None else StoredResponse.unpacked(packed)
        except (SecretUnreadable, zlib.error, ValidationError) as error:
            # Without the text of other errors, which may repeat what was stored.
            reason = str(error) if isinstance(error, SecretUnreadable) else type(error).__name__
            log.warning("stored response cannot be opened", error=reason)
            return None

    def _unsealed(self, key_id: str | None, content: bytes, request: KeyedRequest, digest: str) -> bytes | None:
        if self.ring is None:
            return content if key_id is None else None
        key, place = self.ring().keys.get(key_id) if key_id else None, _place(request, digest)
        return unseal(_key(key, request, place), content, place) if key else None


def _key(of_gateways: bytes, request: KeyedRequest, place: str) -> bytes:
    derivation = HKDF(SHA256(), KEY_BYTES, salt=None, info=place.encode())
    return derivation.derive(of_gateways + request.key.encode())


def _place(request: KeyedRequest, digest: str) -> str:
    """Return the associated data that binds a ciphertext to its request: it cannot be opened for another one."""
    return f"response to keyed request {request.id} with digest {digest}"
