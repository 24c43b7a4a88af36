"""The turns of the agent, or that of a subagent: responses of the model, and the tool calls between them."""

import json
import os
from typing import Any

from simulator.claude_code.arguments import model_name
from simulator.claude_code.channel import Frame, Interrupted, new_uuid
from simulator.claude_code.model import ApiError
from simulator.claude_code.response import Response
from simulator.claude_code.session import STRUCTURED_OUTPUT, Session
from simulator.claude_code.tool import ToolFailed, ToolResult, check, invalid_use
from simulator.claude_code.transcript import Transcript, timestamp

STOPPED = (
    "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was a file edit, the "
    "new_string was NOT written to the file). STOP what you are doing and wait for the user to tell you how to proceed."
)
OUTPUT_REQUIRED = (
    "[structured-output-enforce] You MUST call the StructuredOutput tool to complete this request. Call this tool now."
)
INTERRUPTED, INTERRUPTED_TOOL = "[Request interrupted by user]", "[Request interrupted by user for tool use]"
MAX_INVALID_OUTPUTS = 5
HAND_BACK = "[Subagent hand-back] The text below is the final report of a subagent."


class End(Exception):
    """A turn ends. `fields` are those of its result."""

    def __init__(self, subtype: str, reason: str, **fields: Any) -> None:
        super().__init__(subtype)
        self.interrupted = reason.startswith("aborted")
        self.fields: Frame = {"subtype": subtype, "terminal_reason": reason, "is_error": subtype != "success", **fields}


class Conversation:
    """A conversation with the model. That of a subagent belongs to the tool call `parent`."""

    def __init__(
        self, session: Session, transcript: Transcript, parent: str | None = None, model: str | None = None
    ) -> None:
        self._session, self._transcript, self._parent = session, transcript, parent
        self._model = model or session.model
        self.turns, self.denials, self.stop_reason = 1, list[Frame](), None
        self._invalid_outputs, self._reminded = 0, False

    def send(self, frame: Frame) -> None:
        """Send a frame about this conversation."""
        names = {"session_id": self._session.arguments.session_id, "parent_tool_use_id": self._parent}
        self._session.channel.send({**frame, **names, "uuid": frame.get("uuid") or new_uuid()})

    def run(self, prompt: str | list[Frame], name: str | None = None) -> str:
        """Answer a prompt, and return the answer.

        Raises:
            End: the turn ended otherwise.
        """
        self._transcript.add("user", {"role": "user", "content": prompt}, name)
        self._transcript.flush()
        requests = 0
        while True:
            self._check_budget()
            response = self._respond()
            requests += 1
            self._check_budget()
            if self._call_all(response):
                return self._session_output()
            if not response.calls and not self._remind():
                return response.text
            limit = self._session.arguments.max_turns
            if limit and requests >= limit and not self._parent:
                raise End("error_max_turns", "max_turns", errors=[f"Reached maximum number of turns ({limit})"])

    def _session_output(self) -> str:
        return json.dumps(self._session.structured_output, separators=(",", ":"), ensure_ascii=False)

    def _check_budget(self) -> None:
        limit = self._session.arguments.max_budget_usd
        if limit is not None and self._session.totals.cost_usd >= limit:
            self._session.totals.begin_turn()
            raise End("error_max_budget_usd", "budget_exhausted", errors=[f"Reached maximum budget (${limit})"])

    def _remind(self) -> bool:
        """Ask the model, once, for the structured output that is missing; return whether it is."""
        if self._parent or not self._session.wants_output or self._reminded:
            return False
        self._reminded = True
        self._add_user([{"type": "text", "text": OUTPUT_REQUIRED}])
        return True

    def _respond(self) -> Response:
        """Return a response of the model, having reported it.

        Raises:
            End: there was none, or the client interrupted it.
        """
        session, response = self._session, Response()
        session.channel.send({"type": "system", "subtype": "status", "status": "requesting"})
        try:
            for event in session.provider.events(session.body(self._model, self._transcript.messages()), session.beta):
                if session.arguments.partial_messages and not self._parent:
                    self.send({"type": "stream_event", "event": event})
                if block := response.receive(event):
                    self._report(response, *block)
        except (ApiError, Interrupted) as error:
            raise self._aborted(response, error) from None
        self._store(response)
        self.stop_reason = response.message.get("stop_reason")
        session.totals.add(self._model, response.usage, to_turn=not self._parent)
        return response

    def _report(self, response: Response, name: str, block: Frame, **fields: Any) -> None:
        if self._parent and block["type"] != "tool_use":
            return
        message = {"message": response.with_block(block), "timestamp": timestamp(), **fields}
        self.send({"type": "assistant", "uuid": name, **message})

    def _store(self, response: Response, **fields: Any) -> None:
        for name, block in response.blocks:
            self._transcript.add("assistant", response.with_block(block, usage=response.usage), name, **fields)
        if not response.calls:  # as the CLI writes them after a while, the client is asked before about a call
            self._transcript.flush()

    def _aborted(self, response: Response, error: ApiError | Interrupted) -> End:
        if response.message:
            self._session.totals.add(self._model, response.usage, to_turn=False)
        self._session.totals.begin_turn()
        if isinstance(error, ApiError):
            return self._model_failed(error)
        if block := response.abort():
            self._report(response, *block, aborted=True)
        self._store(response, isAbortedMidStream=True)
        return self._interrupted(INTERRUPTED, "aborted_streaming")

    def _interrupted(self, text: str, reason: str) -> End:
        self._add_user([{"type": "text", "text": text}])
        return End("error_during_execution", reason, errors=["[ede_diagnostic] the turn was interrupted"])

    def _model_failed(self, error: ApiError) -> End:
        text = [{"type": "text", "text": error.text}]
        message = {"id": new_uuid(), "type": "message", "role": "assistant", "model": "<synthetic>", "content": text}
        message |= {"stop_reason": "stop_sequence", "usage": {"input_tokens": 0, "output_tokens": 0}}
        status = {"api_error_status": error.status, "api_error_type": error.kind} if error.status else {}
        name = self._transcript.add("assistant", message, isApiErrorMessage=True)
        self._transcript.flush()
        notice = {"is_api_error_message": True, "error": "unknown", **status}
        self.send({"type": "assistant", "message": message, "uuid": name, **notice})
        self.stop_reason = "stop_sequence"
        return End("success", "api_error", **({"api_error_status": None} | status), result=error.text, is_error=True)

    def _call_all(self, response: Response) -> bool:
        """Make the tool calls of a response; return whether one of them was the structured output.

        Raises:
            End: the client interrupted them, or too many outputs were not valid.
        """
        calls = response.calls
        for n, block in enumerate(calls):
            try:
                self._call(block)
            except Interrupted:
                for left in calls[n:]:
                    self._add_result(left, ToolResult(STOPPED, "User rejected tool use"), is_error=True)
                raise self._interrupted(INTERRUPTED_TOOL, "aborted_tools") from None
        if self._invalid_outputs >= MAX_INVALID_OUTPUTS:
            error = f"Failed to provide valid structured output after {MAX_INVALID_OUTPUTS} attempts"
            raise End("error_max_structured_output_retries", "structured_output_retries", errors=[error])
        return self._session.structured_output is not None and not self._parent

    def _call(self, block: Frame) -> None:
        try:
            if block["name"] not in self._session.tools:
                raise self._no_tool(block["name"])
            arguments = self._permitted(block)
            if block["name"] == "Task":
                result = self._delegate(block, arguments)
            else:
                result = self._session.call(block["name"], arguments, block["id"])
        except ToolFailed as error:
            self._invalid_outputs += block["name"] == STRUCTURED_OUTPUT
            self._add_result(block, ToolResult(str(error), f"Error: {error}"), is_error=True)
        else:
            self._add_result(block, result)

    def _no_tool(self, name: str) -> ToolFailed:
        known = name in ("Bash", "Edit", "Glob", "Grep", "Read", "Task", "Write")
        disabled = f". {name} is disabled for this session, in subagents as well as here." if known else ""
        return invalid_use(f"Error: No such tool available: {name}{disabled}")

    def _permitted(self, block: Frame) -> Frame:
        """Return the input of a call that is permitted.

        Raises:
            ToolFailed: it is not permitted.
        """
        name, arguments = block["name"], dict(block["input"])
        permissions = self._session.permissions
        asks = self._call_hooks(block)
        self._transcript.flush()
        decision, reason, message = ("ask", "", "") if asks else permissions.decide(name, arguments)
        if decision == "allow":
            return arguments
        if decision == "deny":
            denied = {"type": "system", "subtype": "permission_denied", "tool_name": name, "tool_use_id": block["id"]}
            self.send(denied | {"decision_reason_type": reason, "message": message})
        else:
            answer = self._ask(block, arguments)
            if answer["behavior"] == "allow":
                return answer.get("updatedInput") or arguments
            message = answer["message"]
        self.denials.append({"tool_name": name, "tool_use_id": block["id"], "tool_input": block["input"]})
        raise ToolFailed(message)

    def _call_hooks(self, block: Frame) -> bool:
        """Call the client's hooks before a tool call; return whether one wants to be asked. Raises as `_permitted`."""
        about = {"hook_event_name": "PreToolUse", "tool_name": block["name"], "tool_input": block["input"]}
        request = {"subtype": "hook_callback", "input": {**about, "tool_use_id": block["id"]}}
        asks = False
        for hook in self._session.hooks:
            answer = self._session.channel.request({**request, "callback_id": hook, "tool_use_id": block["id"]})
            output: Frame = answer.get("hookSpecificOutput") or {}
            if output.get("permissionDecision") == "deny":
                raise ToolFailed(output["permissionDecisionReason"])
            asks = asks or output.get("permissionDecision") == "ask"
        return asks

    def _ask(self, block: Frame, arguments: Frame) -> Frame:
        shown = dict(arguments)
        if path := arguments.get("file_path"):
            shown["file_path"] = os.path.abspath(path)
        text = arguments.get("description") or arguments.get("command") or arguments.get("file_path") or ""
        request = {"subtype": "can_use_tool", "tool_name": block["name"], "display_name": block["name"], "input": shown}
        request |= {"description": text, "permission_suggestions": [], "tool_use_id": block["id"]}
        return self._session.channel.request(request)

    def _delegate(self, block: Frame, arguments: Frame) -> ToolResult:
        """Let a subagent answer a prompt."""
        check(arguments, ("description", "prompt", "subagent_type"), ("model",))
        if (kind := arguments["subagent_type"]) != "general-purpose":
            raise NotImplementedError(f"subagents of the type {kind!r}")
        named = None if "CLAUDE_CODE_SUBAGENT_MODEL_FORCE" in os.environ else arguments.get("model")
        transcript = Transcript(self._session.channel, self._session.arguments.session_id, f"a{new_uuid()[:8]}")
        metadata = {"type": "agent_metadata", "agentType": kind, "description": arguments["description"]}
        transcript.note({**metadata, "toolUseId": block["id"]})
        subagent = Conversation(self._session, transcript, block["id"], model_name(named) if named else self._model)
        prompt = [{"type": "text", "text": arguments["prompt"]}]
        subagent.send({"type": "user", "message": {"role": "user", "content": prompt}})
        try:
            text = subagent.run(arguments["prompt"])
        except End as end:
            if end.interrupted:
                raise Interrupted from None
            raise ToolFailed(str(end.fields.get("result") or end.fields.get("errors"))) from None
        return ToolResult([{"type": "text", "text": f"{HAND_BACK}\n\n{text}"}], {"status": "completed"})

    def _add_result(self, block: Frame, result: ToolResult, *, is_error: bool = False) -> None:
        content = {"type": "tool_result", "tool_use_id": block["id"], "content": result.content, "is_error": is_error}
        self._add_user([content], tool_use_result=result.details)

    def _add_user(self, content: list[Frame], **fields: Any) -> None:
        message = {"role": "user", "content": content}
        details = {"toolUseResult": fields["tool_use_result"]} if "tool_use_result" in fields else {}
        name = self._transcript.add("user", message, **details)
        self._transcript.flush()
        self.turns += 1
        self.send({"type": "user", "message": message, "uuid": name, "timestamp": timestamp(), **fields})
