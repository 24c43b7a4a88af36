"""State that the turns of a process share: its options, tools, permissions and usage."""

import os
from typing import Any

from simulator.claude_code import files, schema
from simulator.claude_code.arguments import LONG_CONTEXT, VERSION, Arguments, model_name
from simulator.claude_code.channel import Channel, Frame
from simulator.claude_code.mcp import McpServers
from simulator.claude_code.model import Model
from simulator.claude_code.permissions import Permissions
from simulator.claude_code.shell import Shell
from simulator.claude_code.tool import ToolFailed, ToolResult
from simulator.claude_code.transcript import Transcript
from simulator.claude_code.usage import Totals

BETAS = "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,effort-2025-11-24"
STRUCTURED_OUTPUT = "StructuredOutput"
SYSTEM_PROMPT = "You are a stand-in for Claude Code, working with the user toward their goals."
LATER = frozenset({"NotebookEdit", "WebSearch", "TaskCreate", "TaskGet", "TaskList", "TaskUpdate"})
"""Tools that the model is offered, but that the stand-in does not implement."""


class Session:
    """One conversation of one process."""

    def __init__(self, arguments: Arguments) -> None:
        self.arguments, self.channel = arguments, Channel(self._control)
        self.model, self.totals = model_name(arguments.model), Totals()
        self.permissions = Permissions(arguments.allowed, arguments.denied, arguments.mode)
        self.provider = Model(self.channel, arguments.session_id)
        self.transcript = Transcript(self.channel, arguments.session_id)
        self.structured_output: Any = None
        self._schema: dict[str, Any] | None = arguments.schema
        self.hooks = list[str]()
        self.mcp = McpServers(self.channel, arguments.servers)
        self._files, self._shell = files.Files(), Shell(self.channel, self.transcript.folder)
        if arguments.resumes:
            self.transcript.load()
        if self._schema:
            schema.check_schema(self._schema)

    def _control(self, request: Frame) -> Frame:
        match request:
            case {"subtype": "initialize"}:
                if output := request.get("jsonSchema"):
                    schema.check_schema(output)
                    self._schema = output
                hooks: Frame = request.get("hooks") or {}
                matchers: list[Frame] = hooks.get("PreToolUse", [])
                self.hooks = [str(name) for matcher in matchers for name in matcher["hookCallbackIds"]]
                account = {"tokenSource": "none", "apiKeySource": "ANTHROPIC_API_KEY", "apiProvider": "firstParty"}
                applied = {"hook_on_failure_supported": True, "hooks_applied": True}
                return {"commands": [], "models": [], "account": account, "pid": os.getpid(), **applied}
            case {"subtype": "set_permission_mode", "mode": str(mode)}:
                self.permissions.mode = mode
                return {"mode": mode}
            case {"subtype": "claim_session", "cwd": str(cwd), "permission_mode": str(mode)}:
                self.permissions.mode = mode
                [self.arguments.system_prompt] = request.get("system_prompt") or [None]
                return {"status": "ok", "cwd": cwd, "session_id": self.arguments.session_id}
            case {
                "subtype": "apply_flag_settings",
                "settings": {"permissions": {"allow": [*allowed], "deny": [*denied]}},
            }:
                self.permissions = Permissions(allowed, denied, self.permissions.mode)
                return {}
            case {"subtype": "generate_session_title" | "side_question"}:  # without a request to the model
                return {"title": None}
            case {"subtype": "set_model"}:
                self.model = model_name(request.get("model") or "default")
                return {}
            case _:
                raise NotImplementedError(f"the control request {request.get('subtype')!r}")

    @property
    def wants_output(self) -> bool:
        """Whether an answer must be a structured output."""
        return self._schema is not None

    @property
    def tools(self) -> list[str]:
        """The names of the tools that exist."""
        own = [*self.arguments.tools, *([STRUCTURED_OUTPUT] if self.wants_output else [])]
        names = own if self.arguments.servers else [name for name in own if "McpResource" not in name]
        return [name for name in (*names, *self.mcp.tools) if not self.permissions.forbids(name)]

    def init_frame(self) -> Frame:
        """Return the frame with which each turn begins."""
        servers = [{"name": name, "status": "connected"} for name in self.arguments.servers]
        init = {"type": "system", "subtype": "init", "cwd": self.transcript.cwd, "tools": self.tools}
        init |= {"mcp_servers": servers, "model": self.model, "permissionMode": self.permissions.mode}
        return init | {"apiKeySource": "ANTHROPIC_API_KEY", "claude_code_version": VERSION, "slash_commands": []}

    def body(self, model: str, messages: list[Frame]) -> Frame:
        """Return a request to a model."""
        environment = f"# Environment\n - Primary working directory: {self.transcript.cwd}\n - Platform: linux"
        texts = (self.arguments.system_prompt or SYSTEM_PROMPT, environment)
        return {
            "model": model,
            "messages": messages,
            "system": [{"type": "text", "text": text} for text in texts],
            "tools": self._definitions(),
            "metadata": {"user_id": f'{{"session_id":"{self.arguments.session_id}"}}'},
            "max_tokens": 32_000,
            "thinking": {"type": "adaptive"},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "output_config": {"effort": self.arguments.effort},
            "stream": True,
        }

    @property
    def beta(self) -> str:
        """The value of the header that enables new parts of the API."""
        return BETAS + (",context-1m-2025-08-07" if self.arguments.model.endswith(LONG_CONTEXT) else "")

    def _definitions(self) -> list[Frame]:
        of_servers = {tool["name"]: tool for tool in self.mcp.definitions()}
        schemas = {STRUCTURED_OUTPUT: self._schema}
        plain = {"type": "object", "additionalProperties": True}
        return [
            of_servers.get(name)
            or {"name": name, "description": f"The tool {name}.", "input_schema": schemas.get(name) or plain}
            for name in self.tools
        ]

    def call(self, name: str, arguments: dict[str, Any], tool_use_id: str) -> ToolResult:
        """Call a tool that exists and is permitted."""
        if name in self.mcp.tools:
            return self.mcp.call(name, arguments, tool_use_id)
        if name in LATER:
            raise NotImplementedError(f"the tool {name}")
        tools = {
            "Bash": self._shell.run,
            "Read": self._files.read,
            "Write": self._files.write,
            "Edit": self._files.edit,
            "Glob": files.glob,
            "Grep": files.grep,
            "ListMcpResourcesTool": self.mcp.list_resources,
            "ReadMcpResourceTool": self.mcp.read_resource,
            STRUCTURED_OUTPUT: self._take_output,
        }
        return tools[name](arguments)

    def _take_output(self, output: dict[str, Any]) -> ToolResult:
        if found := list(schema.mistakes(self._schema or {}, output)):
            raise ToolFailed(f"Output does not match required schema: {', '.join(found)}")
        self.structured_output = output
        return ToolResult("Structured output provided successfully")
