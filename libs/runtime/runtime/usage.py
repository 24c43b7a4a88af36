"""The command lines of programs: services take no arguments but `--help`, since all settings are variables."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence

from pydantic.fields import FieldInfo

from runtime.settings import Settings


def refuse_arguments(name: str, settings: type[Settings]) -> None:
    """Exit if the process has arguments: after the help of the service with 0, or else with 2."""
    parser = ArgumentParser(f"python -m {name}", formatter_class=RawDescriptionHelpFormatter)
    parser.description = "Run the service until SIGTERM or SIGINT."
    parser.epilog = variables(settings)
    parser.parse_args()


def variables(settings: type[Settings]) -> str:
    """Return a list of the environment variables that a program reads, with their defaults."""
    width = max(map(len, settings.model_fields)) + 1
    rows = [
        f"  {field.upper():<{width}} {_shown(info)}".rstrip() for field, info in sorted(settings.model_fields.items())
    ]
    return "\n".join(["environment variables (docs/guides/settings.md describes them):", *rows])


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
