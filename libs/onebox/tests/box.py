"""The launcher with fake services. Arguments: name=behaviour (see standin.py), ready_timeout=seconds."""

import sys
from dataclasses import replace
from pathlib import Path

from onebox import checking
from onebox.children import Program
from onebox.launcher import READY_TIMEOUT, main
from onebox.services import LaunchContext, Service, services

STANDIN = str(Path(__file__).with_name("standin.py"))
behaviour = dict(argument.split("=") for argument in sys.argv[1:])


def fake_services(context: LaunchContext) -> list[Service]:
    return [_standin(row) for row in services(context)]


def _standin(row: Service) -> Service:
    own = row.program
    command = [sys.executable, STANDIN, behaviour.get(own.name, "")]
    return replace(row, program=Program(own.name, command, own.environment, grace=own.grace))


if __name__ == "__main__":
    checking.PASSED_ON = ()  # the fake services check their own; the check would import the real ones for seconds
    sys.exit(main(fake_services, float(behaviour.get("ready_timeout", READY_TIMEOUT))))
