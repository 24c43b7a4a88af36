"""The entry point of an event-sourced service: `python -m <package>`, or a command such as `… migrate`."""

from argparse import ArgumentParser, Namespace
from functools import partial
from importlib import import_module

from runtime.loading import loading

with loading():
    from runtime import process
    from runtime.scratch import scratch_folder
    from runtime.usage import ProgramCommand, chosen_command

    from eventing import dead_letter_job
    from eventing.dead_letter_job import DeadLetterSettings, run_dead_letters
    from eventing.migration_job import MigrationSettings, run_migrations
    from eventing.rebuild_job import RebuildSettings, run_rebuild


def _add_read_model(parser: ArgumentParser) -> None:
    parser.add_argument("read_model", nargs="?", help="its name; without one, all are listed")


COMMANDS = {
    "migrate": ProgramCommand("apply the migrations of this release to the database, and exit", MigrationSettings),
    "rebuild": ProgramCommand(
        "build a read model again from the events, beside the live one, and swap them", RebuildSettings, _add_read_model
    ),
    "dead-letters": ProgramCommand(
        "list, show, retry or drop the events that were given up", DeadLetterSettings, dead_letter_job.add_arguments
    ),
}


def run_service(package: str) -> None:
    """Run the service of a package until SIGTERM or SIGINT, or one of its commands (`chosen_command`).

    The package has `app.service` and `settings.Settings`. Temporary files of the service are erased when it ends.
    """
    with loading():
        settings = import_module(f"{package}.settings").Settings
    if chosen := chosen_command(package, settings, COMMANDS):
        _run_command(package, chosen)
        return
    with loading():
        service = import_module(f"{package}.app").service
    with scratch_folder(package):
        process.run(package, settings, service.run)


def _run_command(package: str, chosen: Namespace) -> None:
    match chosen.command:
        case "migrate":
            process.run(package, MigrationSettings, partial(run_migrations, package))
        case "rebuild":
            process.run(package, RebuildSettings, partial(run_rebuild, package, chosen.read_model))
        case _:
            main = partial(run_dead_letters, package, chosen.action, chosen.which)
            process.run(package, DeadLetterSettings, main)
