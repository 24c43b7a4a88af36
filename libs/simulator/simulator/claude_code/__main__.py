"""Runs the stand-in: `claude [OPTION]...`, with frames on standard input and output."""

import sys
import time

from simulator.claude_code.arguments import VERSION, Arguments
from simulator.claude_code.channel import Frame
from simulator.claude_code.conversation import Conversation, End
from simulator.claude_code.session import Session
from simulator.claude_code.transcript import timestamp


def main(words: list[str]) -> None:
    """Answer prompts until the client closes the connection."""
    if words == ["--version"]:
        sys.stdout.write(f"{VERSION} (stand-in for Claude Code)\n")
        return
    session, index = Session(Arguments(words)), 0
    while prompt := session.channel.next_prompt():
        session.channel.working = True
        session.mcp.connect()
        _answer(session, prompt, index)
        session.channel.working = False
        index += 1


def _answer(session: Session, prompt: Frame, index: int) -> None:
    began, conversation = time.monotonic(), Conversation(session, session.transcript)
    session.totals.begin_turn()
    session.structured_output = None
    content = prompt["message"]["content"]
    queued = {"type": "queue-operation", "timestamp": timestamp(), "sessionId": session.arguments.session_id}
    session.transcript.note({**queued, "operation": "enqueue", "content": content})
    session.transcript.note({**queued, "operation": "dequeue"})
    conversation.send(session.init_frame())
    end: Frame = {"subtype": "success", "terminal_reason": "completed", "is_error": False}
    try:
        end |= {"result": conversation.run(content, prompt.get("uuid"))}
    except End as ended:
        end = ended.fields
    if session.structured_output is not None:
        end["structured_output"] = session.structured_output
    # In this order: as in the frames of the CLI, the type is not among the first members.
    result: Frame = {"duration_api_ms": 0, "stop_reason": conversation.stop_reason}
    result |= {"total_cost_usd": session.totals.cost_usd, "usage": session.totals.turn}
    result |= {"modelUsage": session.totals.by_model(), "permission_denials": conversation.denials}
    milliseconds = int((time.monotonic() - began) * 1000)
    result |= {"num_turns": conversation.turns, **end, "type": "result", "duration_ms": milliseconds}
    session.transcript.flush()
    conversation.send({**result, "result_index": index})


if __name__ == "__main__":
    main(sys.argv[1:])
