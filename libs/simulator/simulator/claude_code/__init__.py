"""A stand-in for the Claude Code CLI: it speaks its frames, for tests in which the CLI would cost too much.

It does what the agents of the session service need of the CLI, in the same sandbox and with the same model. It ends
with an error at what it does not implement. Apart from `packing`, its modules use the standard library alone, and only
those parts of it that are imported quickly: not `dataclasses`, `pathlib` and `http`, for example.
"""
