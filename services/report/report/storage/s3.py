"""Objects in a bucket of S3 or of a store with the same interface."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.exceptions import NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from report.storage.interface import ObjectMissing, StorageDenied

REQUEST_TIMEOUT, CONNECT_TIMEOUT = timedelta(seconds=30), timedelta(seconds=5)
RETRYING = timedelta(seconds=10)
"""How long a request is repeated; jobs are retried later by themselves."""


@dataclass(frozen=True)
class Bucket:
    """A bucket. `endpoint` is None for S3 itself; keys begin with `prefix`."""

    name: str
    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    prefix: str = ""


class S3Storage:
    """A bucket of an S3-compatible store."""

    def __init__(self, bucket: Bucket) -> None:
        self._name = bucket.name
        self._store = S3Store(
            bucket.name,
            prefix=bucket.prefix or None,
            endpoint=bucket.endpoint,
            region=bucket.region or "us-east-1",
            access_key_id=bucket.access_key_id,
            secret_access_key=bucket.secret_access_key,
            virtual_hosted_style_request=bucket.endpoint is None,
            client_options={
                "allow_http": (bucket.endpoint or "").startswith("http://"),
                "timeout": REQUEST_TIMEOUT,
                "connect_timeout": CONNECT_TIMEOUT,
            },
            retry_config={"max_retries": 3, "retry_timeout": RETRYING},
        )

    async def check(self) -> None:
        """List the bucket, which is refused if it does not exist or the credentials are wrong."""
        await self.keys("check/")

    async def put(self, key: str, file: Path) -> None:
        """Store a copy of a local file, in several parts if it is large."""
        with self._errors():
            await obstore.put_async(self._store, key, file)

    async def read(self, key: str, offset: int, length: int) -> bytes:
        """Return a part of an object."""
        try:
            with self._errors():
                return bytes(await obstore.get_range_async(self._store, key, start=offset, length=length))
        except NotFoundError as error:
            raise ObjectMissing(key) from error

    async def keys(self, prefix: str) -> list[str]:
        """Return the keys in a folder."""
        with self._errors():
            found = await obstore.list(self._store, prefix.removesuffix("/")).collect_async()
        return [item["path"] for item in found]

    async def delete(self, key: str) -> None:
        """Delete an object."""
        with self._errors():
            await obstore.delete_async(self._store, key)

    @contextmanager
    def _errors(self) -> Generator[None]:
        # The texts of the library contain URLs and responses of the store, which are not for users.
        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise StorageDenied(f"the bucket {self._name} refuses access") from error
        except NotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise StorageDenied(f"the bucket {self._name} does not exist") from error
            raise
