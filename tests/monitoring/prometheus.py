"""A Prometheus that scrapes a whole system, with the rules of the repository."""

import json
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from onebox.folder import OPS
from onebox.ports import ReservedPort
from onebox.testing.system import System, until

from tests.monitoring.expressions import RULES

type Sample = dict[str, Any]


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=f"{url}/api/v1", timeout=60)

    def query(self, text: str) -> list[Sample]:
        """Return the samples of an expression that are numbers.

        Raises:
            AssertionError: Prometheus does not understand it, or cannot evaluate it.
        """
        answer = self.http.get("/query", params={"query": text}).json()
        assert answer["status"] == "success", f"{text}: {answer}"
        return [sample for sample in answer["data"]["result"] if sample["value"][1] != "NaN"]

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules, with their state."""
        groups = self.http.get("/rules").raise_for_status().json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@contextmanager
def scraping(system: System, program: str, folder: Path) -> Generator[Prometheus]:
    """Run a Prometheus that scrapes a system, and evaluates all rules, once a second."""
    _configure(system, folder)
    with ReservedPort() as port, (folder / "log").open("wb") as log:
        address = f"127.0.0.1:{port.number}"
        command = [program, f"--config.file={folder}/prometheus.json", f"--storage.tsdb.path={folder}/data"]
        process = subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=log, stderr=log)
        try:
            found = Prometheus(f"http://{address}")
            with found.http:
                until(lambda: _is_ready(found) or process.poll() is not None)
                assert process.poll() is None, (folder / "log").read_text()
                yield found
        finally:
            process.terminate()
            process.wait()


def _configure(system: System, folder: Path) -> None:
    for path in RULES.glob("*.yml"):
        (folder / path.name).write_text(path.read_text().replace("interval: 30s", "interval: 1s"))
    targets = [{"files": [str(system.data_dir / "run" / OPS)]}]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["*.yml"],
        "scrape_configs": [{"job_name": "agentapi", "file_sd_configs": targets}],
    }
    (folder / "prometheus.json").write_text(json.dumps(config))


def _is_ready(prometheus: Prometheus) -> bool:
    try:
        return bool(prometheus.query("up"))
    except (httpx.HTTPError, ValueError):  # no answer, or the text that it is starting
        return False
