"""Prompts for tests, with scripts for the simulated model."""

from typing import Any

from simulator import prompt
from simulator.script import Turn

type Fields = dict[str, Any]

DONE: Fields = {"text": "Done."}


def scripted(*turns: Fields, text: str = "Go on.") -> str:
    """Return a prompt with `text` that the simulated model answers with these turns."""
    return prompt.scripted(text, *map(Turn.model_validate, turns))


def calling(*tools: tuple[str, Fields]) -> Fields:
    """Return a turn in which the model calls tools, each a pair of name and input."""
    return {"tools": [{"name": name, "input": arguments} for name, arguments in tools]}


def bash(command: str) -> Fields:
    """Return a turn in which the model runs a command."""
    return calling(("Bash", {"command": command, "description": "a test"}))


def tools_prompt(*tools: tuple[str, Fields]) -> str:
    """Return a prompt for which the model calls tools and ends its turn."""
    return scripted(calling(*tools), DONE, text="Do it.")


def bash_prompt(command: str) -> str:
    """Return a prompt for which the model runs a command and ends its turn."""
    return scripted(bash(command), DONE, text="Run it.")
