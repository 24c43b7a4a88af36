"""The tables of the secrets of servers. Only `connections` reads them."""

from eventing.secrets import Secrets

ENVIRONMENTS = Secrets("server_environments", owner="server_id", values="variables")
HEADERS = Secrets("server_headers", owner="server_id", values="headers")

SECRET_TABLES = (ENVIRONMENTS, HEADERS)
