"""The row of a run, as queries read it, and as it is returned by the appends that request and start the run."""

from contracts.wire import PREVIEW_CHARACTERS

USAGE = ("duration_ms", "input_tokens", "output_tokens", "cost_usd")
FIELDS = "id, session_id, status, attempt, error_code, error_detail, mcp_servers, created_at, ended_at"
RUN = ", ".join((FIELDS, *USAGE))
SUMMARY = f"{RUN}, left(message, {PREVIEW_CHARACTERS}) AS message"
STARTED = f"{SUMMARY}, user_id"
REQUESTED = f"""{RUN}, message, structured_output, $6::uuid AS prompt_message_id, NULL::uuid AS message_id, '' AS text,
    user_id"""
"""A run that was only requested has no answer. The parameter is the id of the message with its prompt."""
