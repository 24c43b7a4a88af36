"""The read models that can be rebuilt from the events of this service."""

from eventing.rebuilding import ReadModel, ReadModels

from mcp_registry.secret_tables import SECRET_TABLES

SERVERS = ReadModel(
    "servers",
    ("servers", "authorizations"),
    kept={"servers": ("env_names", "header_names")},  # of secrets, which stay encrypted
)
REVOCATIONS = ReadModel("revocations", ("revocations",))

READ_MODELS = ReadModels((SERVERS, REVOCATIONS), {secrets.table: "it contains secrets" for secrets in SECRET_TABLES})
