"""The settings of the session service."""

import os
from pathlib import Path
from typing import Annotated

from eventing.service import SecretServiceSettings
from mcp_connection import PROGRAM_MEMORY_BYTES
from pydantic import AfterValidator, Field, HttpUrl, PositiveFloat, PositiveInt, ValidationInfo, field_validator
from runtime.http.addresses import AddressRules
from runtime.settings import MAY_BE_EMPTY, PUBLIC_MODEL, AddressList, FolderList, folders
from sandbox import Resources
from sandbox.required import SandboxSettings

from session.ceilings import Ceilings
from session.quotas.rules import Rules


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.replace(",", " ").split()))


def _quotas(text: str) -> str:
    Rules.parse(text)
    return text


def _executable(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    if not path.is_file() or not os.access(path, os.X_OK):
        raise ValueError(f"{path} is not an executable file")
    return path


class Settings(SecretServiceSettings, SandboxSettings):
    """Settings, read from the environment.

    `model_api_key` stays in this service: agents never see it. Without it, `simulator_url` stands in for the model, if
    there is one and `model_base_url` is not set. Sessions choose among `models`, if there are any,
    within the `ceilings` of roles. MCP servers at addresses that are not public are refused, except those in
    `mcp_allowed_addresses`: networks and host names. The programs of STDIO servers may read the folders in
    `mcp_program_dirs`; each may use `mcp_program_memory_bytes`. An agent, with all that it starts, may use
    `agent_memory_bytes` and `agent_processes`; its program is `agent_path`, by default the Claude Code executable that
    the Claude Agent SDK brings. Up to `spare_agents` are started before a session needs them. All replicas share
    `workspaces_dir` and `archives_dir`; the latter is inside the former by default.
    """

    workspaces_dir: Path
    archives_dir: Path | None = None
    model_api_key: Annotated[str | None, MAY_BE_EMPTY] = Field(default=None, repr=False)
    simulator_url: HttpUrl | None = None
    model_base_url: HttpUrl = Field(default=None, validate_default=True)
    models: str = ""
    ceilings: str = ""
    model_retries: int = Field(default=2, ge=0, le=10)
    model_silence_seconds: PositiveFloat = 60.0
    tool_seconds: PositiveFloat = Field(default=300.0, le=86_400)
    mcp_allowed_addresses: AddressList = ""
    mcp_program_dirs: FolderList = ""
    mcp_program_memory_bytes: int = Field(default=PROGRAM_MEMORY_BYTES, ge=2**28, le=2**50)
    approval_seconds: PositiveFloat = Field(default=86_400.0, le=366 * 86_400)
    waiting_agent_seconds: PositiveFloat = 300.0
    quotas: Annotated[str, AfterValidator(_quotas)] = ""
    agent_path: Annotated[Path, AfterValidator(_executable)] | None = None
    agent_memory_bytes: int = Field(default=Resources.memory_bytes, ge=2**30, le=2**50)
    agent_processes: int = Field(default=2048, ge=64, lt=2**22)  # the most that a cgroup may limit
    runs_at_once: PositiveInt = 64
    warm_agents: PositiveInt = 64
    warm_agents_per_user: PositiveInt = 16
    warm_agent_memory_bytes: PositiveInt = 384 * 2**20
    warm_agent_seconds: PositiveFloat = 300.0
    spare_agents: int = Field(default=2, ge=0, le=64)

    @field_validator("model_base_url", mode="before")
    @classmethod
    def _choose_model(cls, url: object, info: ValidationInfo) -> object:
        """By default, a key is for the public model API; without one, the simulator answers."""
        chosen = url or (PUBLIC_MODEL if info.data.get("model_api_key") else info.data.get("simulator_url"))
        if not chosen:
            raise ValueError("this variable must be set, or MODEL_API_KEY")
        return chosen

    @field_validator("ceilings")
    @classmethod
    def _check_ceilings(cls, text: str, info: ValidationInfo) -> str:
        Ceilings.parse(text, _names(info.data.get("models", ""))).check_models()
        return text

    @property
    def address_rules(self) -> AddressRules:
        """The addresses that MCP servers may have."""
        return AddressRules.parse(self.mcp_allowed_addresses)

    @property
    def agent_resources(self) -> Resources:
        """Resources of an agent, with all that it starts."""
        return Resources(self.agent_memory_bytes, self.agent_processes)

    @property
    def quota_rules(self) -> Rules:
        """The quotas of each role."""
        return Rules.parse(self.quotas)

    @property
    def program_dirs(self) -> tuple[Path, ...]:
        """The folders that the programs of STDIO MCP servers may read, besides /usr."""
        return folders(self.mcp_program_dirs)

    @property
    def offered_models(self) -> tuple[str, ...]:
        """The names in `models`, which are separated by commas or spaces; the first is the default of sessions."""
        return _names(self.models)
