# /// script
# requires-python = ">=3.12"
# dependencies = ["httpx>=0.28"]
# ///
"""Keep what agents cost, by user and session, in a database and a CSV file.

Each event counts exactly once, even if the exporter is killed: it stores the events of a page and the cursor behind
them in one transaction, and goes on from that cursor.
"""

import csv
import json
import os
import sqlite3
import sys
import time
from argparse import ArgumentParser, Namespace
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import httpx

TYPES = "session.run_completed,session.run_failed,session.run_cancelled,session.usage_recorded"
"""The events that carry what a run has cost. The last one follows if a run was cancelled before its cost was known."""
SCHEMA = """
    CREATE TABLE IF NOT EXISTS costs (
        event_id TEXT PRIMARY KEY, time TEXT, user_id TEXT, session_id TEXT, run_id TEXT,
        cost_usd TEXT, input_tokens INTEGER, output_tokens INTEGER
    );
    CREATE TABLE IF NOT EXISTS cursor (id INTEGER PRIMARY KEY CHECK (id = 1), resume_from TEXT);"""
RUNS = """
    SELECT substr(time, 1, 10) AS day, user_id, session_id, cost_usd, input_tokens, output_tokens
    FROM costs ORDER BY day, user_id, session_id"""
COLUMNS = ("day", "user_id", "session_id", "cost_usd", "input_tokens", "output_tokens")
RETRY_STATUSES, RETRY_SECONDS = (429, 502, 503, 504), 10.0


class Exporter:
    """Reads the events of all users, and stores what they cost."""

    def __init__(self, api: httpx.Client, folder: Path) -> None:
        self.api, self.csv = api, folder / "costs.csv"
        self.database = sqlite3.connect(folder / "costs.sqlite", timeout=30)
        self.database.executescript(SCHEMA)

    def run(self, since: str | None, limit: int) -> None:
        """Store all events that there are now, and write the CSV file."""
        more = True
        while more:
            page = self._page(since, limit)
            if page["expired"]:
                print("Events were deleted before they were read: compare with /admin/costs.", file=sys.stderr)
            self._store(page["items"], page["resume_from"])
            more = page["more"]
        self._write()

    def _page(self, since: str | None, limit: int) -> dict[str, Any]:
        query: dict[str, str | int] = {"types": TYPES, "limit": limit}
        if found := self.database.execute("SELECT resume_from FROM cursor").fetchone():
            query["after"] = found[0]
        elif since:
            query["since"] = since
        while (answer := self.api.get("/admin/events", params=query)).status_code in RETRY_STATUSES:
            time.sleep(min(float(answer.headers.get("retry-after", RETRY_SECONDS)), 60.0))
        return json.loads(answer.raise_for_status().text, parse_float=Decimal)

    def _store(self, events: list[dict[str, Any]], resume_from: str) -> None:
        rows = [
            (
                *(event[name] for name in ("event_id", "time", "user_id", "session_id", "run_id")),
                str(event["usage"]["cost_usd"]),
                event["usage"]["input_tokens"],
                event["usage"]["output_tokens"],
            )
            for event in events
        ]
        with self.database:  # one transaction
            self.database.executemany("INSERT OR IGNORE INTO costs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self.database.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (resume_from,))

    def _write(self) -> None:
        part = self.csv.with_suffix(".part")
        with part.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for key, runs in groupby(self.database.execute(RUNS), itemgetter(0, 1, 2)):
                costs, read, written = zip(*(run[3:] for run in runs), strict=True)
                writer.writerow([*key, format(sum(map(Decimal, costs), Decimal(0)), "f"), sum(read), sum(written)])
        part.replace(self.csv)  # readers never find half a file


def arguments() -> Namespace:
    """Return what the command line says."""
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where costs.sqlite and costs.csv are kept")
    parser.add_argument("--since", help="the time to begin with, such as 2026-11-01T00:00:00Z; all events otherwise")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="repeat; otherwise the export is made once")
    parser.add_argument("--limit", type=int, default=100, help="events of a page, at most 100")
    return parser.parse_args()


def main() -> None:
    """Export once, or until the process is stopped."""
    wanted = arguments()
    wanted.folder.mkdir(parents=True, exist_ok=True)
    headers = {"authorization": f"Bearer {os.environ['API_KEY']}"}
    with httpx.Client(base_url=os.environ["API_URL"], headers=headers, timeout=60) as api:
        exporter = Exporter(api, wanted.folder)
        exporter.run(wanted.since, wanted.limit)
        while wanted.every:
            time.sleep(wanted.every)
            try:
                exporter.run(wanted.since, wanted.limit)
            except httpx.HTTPError as error:
                print(f"The export failed, and is tried again: {error!r}", file=sys.stderr)


if __name__ == "__main__":
    main()
