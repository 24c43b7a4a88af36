"""MCP servers of the client, reached through requests to it."""

import json
from typing import Any

from simulator.claude_code.channel import Channel, Frame, RequestFailed
from simulator.claude_code.tool import ToolFailed, ToolResult, check

PROTOCOL = "2025-11-25"


class McpServers:
    """The MCP servers of a session, and their tools."""

    def __init__(self, channel: Channel, names: list[str]) -> None:
        self._channel, self._names, self._id = channel, names, -1
        self.tools: dict[str, tuple[str, Frame]] = {}
        """By name: the server of a tool, and its definition."""
        self._connected = False

    def connect(self) -> None:
        """Connect to the servers, once, and learn their tools."""
        if self._connected:
            return
        self._connected = True
        for server in self._names:
            client = {"name": "claude-code", "version": "0"}
            self._ask(server, "initialize", protocolVersion=PROTOCOL, capabilities={}, clientInfo=client)
            self._send(server, {"jsonrpc": "2.0", "method": "notifications/initialized"})
            for tool in self._list(server, "tools"):
                self.tools[f"mcp__{server}__{tool['name']}"] = server, tool

    def definitions(self) -> list[Frame]:
        """Return the tools for the model."""
        tools = [(name, tool) for name, (_, tool) in self.tools.items()]
        return [
            {"name": name, "description": tool.get("description", ""), "input_schema": tool["inputSchema"]}
            for name, tool in tools
        ]

    def call(self, name: str, arguments: dict[str, Any], tool_use_id: str) -> ToolResult:
        """Call a tool."""
        server, tool = self.tools[name]
        meta = {"claudecode/toolUseId": tool_use_id, "progressToken": self._id + 1}
        result = self._ask(server, "tools/call", name=tool["name"], arguments=arguments, _meta=meta)
        texts = [part["text"] for part in result.get("content", []) if part["type"] == "text"]
        if result.get("isError"):
            raise ToolFailed("\n".join(texts))
        if structured := result.get("structuredContent"):
            text = json.dumps(structured, separators=(",", ":"), ensure_ascii=False)
            return ToolResult(text, {"content": text, "structuredContent": structured})
        if len(texts) != len(result.get("content", [])):
            raise NotImplementedError("results of MCP tools that are not text")
        return ToolResult([{"type": "text", "text": text} for text in texts])

    def list_resources(self, arguments: dict[str, Any]) -> ToolResult:
        """Return the resources of all servers, or of one."""
        check(arguments, (), ("server",))
        servers = [arguments["server"]] if "server" in arguments else self._names
        found = [{**resource, "server": server} for server in servers for resource in self._list(server, "resources")]
        return ToolResult(json.dumps(found, separators=(",", ":")))

    def read_resource(self, arguments: dict[str, Any]) -> ToolResult:
        """Return a resource."""
        check(arguments, ("server", "uri"))
        result = self._ask(arguments["server"], "resources/read", uri=arguments["uri"])
        return ToolResult(json.dumps(result, separators=(",", ":")))

    def _list(self, server: str, kind: str) -> list[Frame]:
        found, cursor = list[Frame](), dict[str, str]()
        while True:
            page = self._ask(server, f"{kind}/list", **cursor)
            found += page[kind]
            if not page.get("nextCursor"):
                return found
            cursor = {"cursor": page["nextCursor"]}

    def _ask(self, server: str, method: str, **parameters: Any) -> Frame:
        self._id += 1
        message = {"method": method, "jsonrpc": "2.0", "id": self._id}
        answer = self._send(server, message | ({"params": parameters} if parameters else {}))
        if error := answer.get("error"):
            raise ToolFailed(f"MCP error {error['code']}: {error['message']}")
        return answer["result"]

    def _send(self, server: str, message: Frame) -> Frame:
        request = {"subtype": "mcp_message", "server_name": server, "message": message}
        try:
            return self._channel.request(request)["mcp_response"]
        except RequestFailed as error:
            raise ToolFailed(str(error)) from None
