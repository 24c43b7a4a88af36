"""Unseals the states of secret events, when an aggregate is loaded from them."""

from uuid import UUID

from runtime.secrets.sealing import SecretUnreadable, unseal

from eventing.database import Database, Row
from eventing.recording import SEALED, event_place


class SealedStates:
    """The sealed states of one aggregate during one load, which reads its data key at most once."""

    def __init__(self, aggregate: UUID, database: Database) -> None:
        self._aggregate, self._database = aggregate, database
        self._keys: dict[UUID, bytes | None] = {}

    async def unsealed(self, row: Row) -> tuple[str, bytes]:
        """Return the topic and the state of an event, unsealed; as stored if the data key was erased.

        Raises:
            SecretUnreadable: the state cannot be unsealed.
        """
        topic: str = row["topic"]
        if not topic.endswith(SEALED):
            return topic, row["state"]
        key = await self._key()
        if key is None:
            return topic, row["state"]
        place = event_place(self._aggregate, row["originator_version"], topic)
        return topic.removesuffix(SEALED), unseal(key, row["state"], place)

    async def _key(self) -> bytes | None:
        self._keys = self._keys or await self._database.data_keys.get([self._aggregate], self._database)
        if self._aggregate not in self._keys:
            raise SecretUnreadable(f"the data key of {self._aggregate} is missing")
        return self._keys[self._aggregate]
