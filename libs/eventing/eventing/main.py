"""The entry point of an event-sourced service: `python -m <package>`, or `python -m <package> migrate`."""

from functools import partial
from importlib import import_module

from runtime.loading import loading

with loading():
    from runtime import process
    from runtime.scratch import scratch_folder
    from runtime.usage import chosen_command

    from eventing.migration_job import MigrationSettings, run_migrations

COMMANDS = {"migrate": ("apply the migrations of this release to the database, and exit", MigrationSettings)}


def run_service(package: str) -> None:
    """Run the service of a package until SIGTERM or SIGINT, or only its migrations (`chosen_command`).

    The package has `app.service` and `settings.Settings`. Temporary files of the service are erased when it ends.
    """
    with loading():
        settings = import_module(f"{package}.settings").Settings
    if chosen_command(package, settings, COMMANDS):
        process.run(package, MigrationSettings, partial(run_migrations, package))
        return
    with loading():
        service = import_module(f"{package}.app").service
    with scratch_folder(package):
        process.run(package, settings, service.run)
