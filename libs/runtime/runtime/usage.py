"""The command lines of programs: services take a command and `--help` at most, since all settings are variables."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence

from pydantic.fields import FieldInfo

from runtime.settings import Settings, is_secret

MARK = " *"
ABOUT_MARK = "* a secret; instead, the variable with _FILE at the end may name a file that contains it"


def refuse_arguments(name: str, settings: type[Settings]) -> None:
    """Exit if the process has arguments: after the help of the service with 0, or else with 2."""
    chosen_command(name, settings, {})


def chosen_command(
    name: str, settings: type[Settings], commands: Mapping[str, tuple[str, type[Settings]]]
) -> str | None:
    """Return the command that the process was started with, or None if it has no arguments.

    Exits if there are others: after the help of the service or of the command with 0, or else with 2.

    Args:
        name: the package of the service.
        settings: what the service reads.
        commands: what each command does, and what it reads.
    """
    parser = ArgumentParser(f"python -m {name}", formatter_class=RawDescriptionHelpFormatter)
    parser.description = f"Run the service until SIGTERM or SIGINT{', or a command' if commands else ''}."
    parser.epilog = variables(settings)
    subparsers = parser.add_subparsers(dest="command", metavar="command") if commands else None
    for command, (about, read) in commands.items():
        if subparsers:
            own = subparsers.add_parser(command, help=about, formatter_class=RawDescriptionHelpFormatter)
            own.description, own.epilog = f"{about[0].upper()}{about[1:]}.", variables(read)
    return vars(parser.parse_args()).get("command")


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
