"""Print the secrets in a folder as Secrets of Kubernetes: `python -m onebox.installation.kubernetes FOLDER`."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path

from onebox.errors import CannotStart
from onebox.installation.secret_folder import SecretFolder
from onebox.terminal import fail, report

NATS, STORED = ("nats-url", "nats-ca.pem"), ("database-url",)
SECRETS = {
    "gateway": (*NATS, "replay.json"),
    "identity": (*NATS, *STORED, "ring.json", "admin-password", "bus-issuer-seed"),
    "session": (*NATS, *STORED, "secrets.json", "model-api-key"),
    "task-scheduler": (*NATS, *STORED, "secrets.json"),
    "report": (*NATS, *STORED),
    "mcp-registry": (*NATS, *STORED, "secrets.json"),
    "webhook": (*NATS, *STORED, "secrets.json"),
    "migrations": (*STORED, "migration-database-url"),
}
"""The keys of the Secret of each component, as the chart mounts them."""
STORES = {
    "postgres": ("database-owner-password", "database-service-password"),
    "nats": ("nats.conf", "nats-server.pem", "nats-server.key"),
}
"""The same for stores in the cluster."""
NAMESPACE, WITH_SANDBOXES = "agentapi", "agentapi-agents"


def contents(path: Path, name: str) -> dict[str, str]:
    """Return the keys and values of the Secret of a component.

    Raises:
        CannotStart: the folder cannot be used.
        OSError: a file cannot be read.
    """
    with SecretFolder.opened(path) as folder:
        keys = (SECRETS | STORES)[name]
        return {key: folder.read(f"{key}-{name}" if key == "nats-url" else key) for key in keys}


def _manifest(path: Path, name: str, namespace: str) -> dict[str, object]:
    metadata = {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "agentapi"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": contents(path, name)}


def main(arguments: list[str]) -> int:
    """Print the Secrets, for `kubectl apply -f -`, and return the exit code."""
    parser = ArgumentParser("python -m onebox.installation.kubernetes", description="Print Secrets of Kubernetes.")
    parser.add_argument("folder", type=Path, help="the folder that `make secrets` created")
    parser.add_argument("--namespace", default=NAMESPACE, help="of all services without sandboxes")
    parser.add_argument("--sandboxes", default=WITH_SANDBOXES, metavar="NAMESPACE", help="of the others")
    parser.add_argument(
        "--with-sandboxes", default="session", metavar="SERVICES", help="the others, separated by commas"
    )
    parser.add_argument("--stores", action="store_true", help="also those of PostgreSQL and NATS in the cluster")
    given = parser.parse_args(arguments)
    apart, wanted = given.with_sandboxes.split(","), [*SECRETS, *(STORES if given.stores else ())]
    if not given.folder.is_dir():
        return fail(f"{given.folder} is not a folder. Run `make secrets`.")
    try:
        namespaces = {name: given.sandboxes if name in apart else given.namespace for name in wanted}
        found = [_manifest(given.folder, name, namespace) for name, namespace in namespaces.items()]
    except (CannotStart, OSError) as error:
        return fail(f"The secrets cannot be read: {error}")
    report(json.dumps({"apiVersion": "v1", "kind": "List", "items": found}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
