"""The read models that can be rebuilt from the events of this service."""

from eventing.rebuilding import ReadModel, ReadModels

from identity.credentials.revocations import RETENTION

EXPIRED = f"new.revoked_at < now() - interval '{RETENTION.total_seconds()} seconds'"
FORGOTTEN = "it is forgotten after some time"

READ_MODELS = ReadModels(
    (
        ReadModel("users", ("users", "user_counts")),
        ReadModel("api_keys", ("api_keys",), kept={"api_keys": ("last_used_at",)}),
        ReadModel("bus_users", ("bus_users",)),
        ReadModel("revoked_families", ("revoked_families",), removed={"revoked_families": EXPIRED}),
    ),
    {
        "api_calls": "calls are no events",
        "audit_log": "entries are only added; rebuild audit_session and the like to add missing ones",
        "known_addresses": FORGOTTEN,
        "login_failures": FORGOTTEN,
    },
)
