"""The database of a backup: dumped and restored by PostgreSQL's own programs, as streams."""

import asyncio
import subprocess
import tempfile
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL
from typing import IO, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from contracts.catalogue import SERVICES
from eventing.database import Database
from eventing.relay.reread import start_restored

from onebox.backup import BackupFailed
from onebox.children import allowed_environment, signal_on_parent_death

CHUNK_BYTES = 4 * 2**20
MAX_ERROR_BYTES = 2000
MAJOR = "SELECT current_setting('server_version_num')::int / 10000"
SCHEMAS = "SELECT nspname::text FROM pg_namespace WHERE nspname = ANY($1)"
MIGRATIONS = "SELECT name FROM migrations ORDER BY origin, name"


class Source:
    """A database, as the role that owns its tables sees it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def major(self) -> int:
        """Return the major version of the server."""
        return _run(self._value(MAJOR))

    def schemas(self) -> list[str]:
        """Return which services have tables in it."""
        return _run(self._schemas())

    def migrations(self) -> dict[str, list[str]]:
        """Return the migrations that were applied, by service."""
        return {schema: _run(self._names(schema)) for schema in self.schemas()}

    def start_relays(self) -> None:
        """Let the services continue with an empty bus after a restore."""
        for schema in self.schemas():
            _run(self._start_relay(schema))

    async def _value(self, query: str) -> int:
        async with Database.open(self.url, "public", size=1) as database:
            return await database.fetchval(query)

    async def _schemas(self) -> list[str]:
        async with Database.open(self.url, "public", size=1) as database:
            return [row["nspname"] for row in await database.fetch(SCHEMAS, list(SERVICES))]

    async def _names(self, schema: str) -> list[str]:
        async with Database.open(self.url, schema, size=1) as database:
            return [row["name"] for row in await database.fetch(MIGRATIONS)]

    async def _start_relay(self, schema: str) -> None:
        async with Database.open(self.url, schema, size=1) as database:
            await start_restored(database)

    def dump(self, programs: Path) -> Generator[bytes]:
        """Yield a dump in the custom format; it is taken when the first part is there.

        Raises:
            BackupFailed: it is not possible.
        """
        schemas = [f"--schema={schema}" for schema in SERVICES]
        command = [str(programs / "pg_dump"), "--format=custom", "--compress=0", *schemas]
        with self._client(command, stdout=subprocess.PIPE) as process:
            output = cast(BinaryIO, process.stdout)
            while data := output.read(CHUNK_BYTES):
                yield data

    @contextmanager
    def restoring(self, programs: Path) -> Generator[IO[bytes]]:
        """Yield where to write a dump. After the block all of it is there, or nothing.

        Raises:
            BackupFailed: it is not possible.
        """
        command = [str(programs / "pg_restore"), "--single-transaction", "--exit-on-error", "--no-owner"]
        with self._client(command, stdin=subprocess.PIPE) as process:
            yield cast(IO[bytes], process.stdin)

    @contextmanager
    def _client(
        self, command: list[str], *, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL
    ) -> Generator[subprocess.Popen[bytes]]:
        url, password = without_password(self.url)
        environment = allowed_environment() | ({"PGPASSWORD": password} if password else {})
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(  # noqa: S603  PostgreSQL's own programs, no shell
                [*command, "--no-password", f"--dbname={url}"],
                env=environment,
                stdin=stdin,
                stdout=stdout,
                stderr=errors,
                preexec_fn=signal_on_parent_death(SIGKILL),
            )
            ended_early = False
            try:
                yield process
            except BrokenPipeError:
                ended_early = True
            except BaseException:
                process.kill()
                raise
            finally:
                _end(process)
            if process.returncode or ended_early:
                errors.seek(0)
                reason = errors.read(MAX_ERROR_BYTES).decode(errors="replace").strip()
                raise BackupFailed(f"{Path(command[0]).name} failed: {reason}")


def without_password(url: str) -> tuple[str, str]:
    """Return a URL without its password, which every account of the machine could read in a command, and that one."""
    parts = urlsplit(url)
    if parts.password is None:
        return url, ""
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}@{host}").geturl(), unquote(parts.password)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes of a process, and wait for its end."""
    with suppress(BrokenPipeError):
        process.communicate()


def _run[T](work: Coroutine[None, None, T]) -> T:
    return asyncio.run(work)
