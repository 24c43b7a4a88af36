"""Prompts of tests, on which the simulated model does what the test wants."""

from typing import Any

from simulator import prompt
from simulator.script import Turn

type Fields = dict[str, Any]

DONE: Fields = {"text": "Done."}


def scripted(*turns: Fields, words: str = "Go on.") -> str:
    """Write a prompt that says `words`, and that the simulated model answers with these turns."""
    return prompt.scripted(words, *map(Turn.model_validate, turns))


def calling(*tools: tuple[str, Fields]) -> Fields:
    """Write a turn in which the model calls tools, each given by its name and its input."""
    return {"tools": [{"name": name, "input": given} for name, given in tools]}


def bash(command: str) -> Fields:
    """Write a turn in which the model runs a command."""
    return calling(("Bash", {"command": command, "description": "a test"}))


def tools_prompt(*tools: tuple[str, Fields]) -> str:
    """Write a prompt on which the model calls tools and is done."""
    return scripted(calling(*tools), DONE, words="Do it.")


def bash_prompt(command: str) -> str:
    """Write a prompt on which the model runs a command and is done."""
    return scripted(bash(command), DONE, words="Run it.")
