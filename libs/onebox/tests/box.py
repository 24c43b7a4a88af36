"""The launcher with fake services. Arguments: name=behaviour (see standin.py), ready_timeout=seconds."""

import sys
from dataclasses import replace
from pathlib import Path

from onebox import checking
from onebox.launcher import READY_TIMEOUT, main
from onebox.services import LaunchContext, Service, services

STANDIN = str(Path(__file__).with_name("standin.py"))
behaviour = dict(argument.split("=") for argument in sys.argv[1:])


def fake_services(context: LaunchContext) -> list[Service]:
    return [_standin(row) for row in services(context)]


def _standin(row: Service) -> Service:
    command = [sys.executable, STANDIN, behaviour.get(row.program.name, "")]
    return replace(row, program=replace(row.program, command=command))


if __name__ == "__main__":
    checking.PASSED_ON = ()  # the fake services check their own; the check would import the real ones for seconds
    sys.exit(main(fake_services, float(behaviour.get("ready_timeout", READY_TIMEOUT))))
