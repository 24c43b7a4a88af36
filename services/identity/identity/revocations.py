"""Revoked token families, told to every gateway through a key-value bucket that they watch."""

# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

from dataclasses import dataclass
from uuid import UUID

from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig
from nats.js.kv import KeyValue

BUCKET = "REVOCATIONS"
# Twice the life of an access token: after that there is nothing left to revoke.
LIFETIME = 2 * 3600.0


@dataclass(frozen=True)
class Revocations:
    """The bucket, written."""

    bucket: KeyValue

    @classmethod
    async def open(cls, js: JetStreamContext) -> "Revocations":
        """Open the bucket; made when missing."""
        return cls(await js.create_key_value(KeyValueConfig(bucket=BUCKET, ttl=LIFETIME, history=1)))

    async def add(self, family_id: UUID, reason: str) -> None:
        """Tell that no token of the family is good any more."""
        await self.bucket.put(str(family_id), reason.encode())
