"""The entry point of a service: `python -m <package>`."""

from importlib import import_module

from runtime.loading import loading

with loading():
    from runtime import process
    from runtime.scratch import scratch_folder
    from runtime.usage import refuse_arguments


def run_service(package: str) -> None:
    """Load the `app.service` and the `settings.Settings` of a package, and run the service until SIGTERM or SIGINT.

    It takes no arguments (`refuse_arguments`). Its temporary files are erased when it ends.
    """
    with loading():
        service, settings = import_module(f"{package}.app").service, import_module(f"{package}.settings").Settings
    refuse_arguments(package, settings)
    with scratch_folder(package):
        process.run(package, settings, service.run)
