"""A restore from a backup: the database in a new cluster, whose transactions start at low numbers, and an empty bus."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from contracts.catalogue import EVENTS
from eventing.database import Database
from onebox.cluster import major_of
from onebox.programs import find_postgres

from tests.chaos.cluster import SERVERS, TARGETS, Cluster

USED_UP = "DO $$ BEGIN FOR n IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
REREAD_SECONDS = 60.0


def restore(cluster: Cluster) -> None:
    """Restore a dump of the database to a new cluster, with an empty bus, as the guide of operation says."""
    for target in TARGETS:
        if target not in SERVERS:
            cluster.kill(target)
            cluster.child(target).finish()
    dump = cluster.folder.path / "dump"
    programs = find_postgres(None, major_of(cluster.postgres.data)).folder
    asyncio.run(_use_up_transactions(cluster.postgres.url))
    _run([str(programs / "pg_dump"), "--format=custom", f"--file={dump}", cluster.postgres.url])
    cluster.postgres.stop()
    shutil.rmtree(cluster.postgres.data)
    cluster.postgres.start()
    _run([str(programs / "pg_restore"), "--exit-on-error", f"--dbname={cluster.postgres.url}", str(dump)])
    dump.unlink()
    cluster.lose("nats")
    for target in ("nats", *(target for target in TARGETS if target not in SERVERS)):
        cluster.revive(target)
    for service in EVENTS:
        _reread(cluster, service)


async def _use_up_transactions(url: str) -> None:
    """Let the numbers of this cluster be far above those of the next one."""
    async with Database.open(url, "session") as database:
        await database.execute(USED_UP)


def _reread(cluster: Cluster, service: str) -> None:
    own = {"DATABASE_URL": cluster.postgres.service_url, "MIGRATION_DATABASE_URL": cluster.postgres.url}
    environment = {"PATH": os.defpath, "NATS_URL": cluster.nats.url} | own
    end = time.monotonic() + REREAD_SECONDS
    while True:  # the stream is made by the service, and a relay that has stopped looks again every 5 s
        try:
            _run([sys.executable, "-m", "eventing", "reread", service], environment)
        except AssertionError:
            if time.monotonic() > end:
                raise
            cluster.look_after()
            time.sleep(0.2)
        else:
            return


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, f"{Path(command[0]).name}: {done.stderr}"
