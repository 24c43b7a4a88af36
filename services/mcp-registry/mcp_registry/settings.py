"""The settings of the mcp-registry service."""

from eventing.service import SecretServiceSettings
from pydantic import PositiveFloat
from runtime.addresses import AddressRules
from runtime.settings import AddressList


class Settings(SecretServiceSettings):
    """Settings, read from the environment.

    Users who are not administrators may start only the programs in `mcp_allowed_commands`. HTTP and SSE servers may be
    at a loopback, private or other special address only if that is in `mcp_allowed_addresses`. A healthy server is
    checked every `mcp_check_seconds`.
    """

    mcp_allowed_commands: str = ""
    mcp_allowed_addresses: AddressList = ""
    mcp_check_seconds: PositiveFloat = 900.0

    @property
    def address_rules(self) -> AddressRules:
        """The addresses that HTTP and SSE servers may have."""
        return AddressRules.parse(self.mcp_allowed_addresses)

    @property
    def allowed_commands(self) -> frozenset[str]:
        """The commands in `mcp_allowed_commands`, which are separated by commas."""
        return frozenset(filter(None, map(str.strip, self.mcp_allowed_commands.split(","))))
