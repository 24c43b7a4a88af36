"""The command lines of programs: services take a command and its arguments, since all settings are variables."""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic.fields import FieldInfo

from runtime.settings import Settings, is_secret

MARK = " *"
ABOUT_MARK = "* a secret; instead, the variable with _FILE at the end may name a file that contains it"


@dataclass(frozen=True)
class ProgramCommand:
    """A command of a program: what it does, what it reads, and a function that adds its arguments, if it has any."""

    about: str
    settings: type[Settings]
    add_arguments: Callable[[ArgumentParser], None] | None = None


def refuse_arguments(name: str, settings: type[Settings]) -> None:
    """Exit if the process has arguments: after the help of the service with 0, or else with 2."""
    chosen_command(name, settings, {})


def chosen_command(name: str, settings: type[Settings], commands: Mapping[str, ProgramCommand]) -> Namespace | None:
    """Return the arguments that the process was started with, with the name as `command`; None if it has none.

    Exits if there are others: after the help of the service or of the command with 0, or else with 2.

    Args:
        name: the package of the service.
        settings: what the service reads.
        commands: the commands, by name.
    """
    if len(sys.argv) == 1:
        return None
    parser = ArgumentParser(f"python -m {name}", formatter_class=RawDescriptionHelpFormatter)
    parser.description = f"Run the service until SIGTERM or SIGINT{', or a command' if commands else ''}."
    parser.epilog = variables(settings)
    subparsers = parser.add_subparsers(dest="command", metavar="command") if commands else None
    for command, one in commands.items():
        if subparsers:
            own = subparsers.add_parser(command, help=one.about, formatter_class=RawDescriptionHelpFormatter)
            own.description, own.epilog = f"{one.about[0].upper()}{one.about[1:]}.", variables(one.settings)
            if one.add_arguments:
                one.add_arguments(own)
    parsed = parser.parse_args()
    return parsed if getattr(parsed, "command", None) else None


def variables(settings: type[Settings]) -> str:
    """Return a list of the environment variables that a program reads, with their defaults."""
    fields = {f"{name.upper()}{MARK if is_secret(info) else ''}": info for name, info in settings.model_fields.items()}
    width = max(map(len, fields)) + 1
    rows = [f"  {name:<{width}} {_shown(info)}".rstrip() for name, info in sorted(fields.items())]
    return "\n".join(["environment variables (docs/guides/settings.md describes them):", *rows, ABOUT_MARK])


def _shown(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    match info.get_default(call_default_factory=True, validated_data={}):
        case None:
            return ""
        case bool() as default:
            return str(default).lower()
        case float() as default:
            return f"{default:g}"
        case default:
            return str(default)


def show_help(usage: str, arguments: Sequence[str]) -> None:
    """Print how a command is used, and exit with 0, if an argument asks for it."""
    if {"-h", "--help"}.intersection(arguments):
        sys.stdout.write(f"{usage}\n")
        sys.exit(0)
