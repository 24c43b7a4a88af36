"""The launcher with stand-ins for services. Arguments: name=behaviour (see standin.py), patience=seconds."""

import sys
from dataclasses import replace
from pathlib import Path

from onebox.launcher import READY_SECONDS, main
from onebox.services import Place, Service, services

STANDIN = str(Path(__file__).with_name("standin.py"))
behaviour = dict(argument.split("=") for argument in sys.argv[1:])


def standins(place: Place) -> list[Service]:
    return [_standin(row) for row in services(place)]


def _standin(row: Service) -> Service:
    command = [sys.executable, STANDIN, behaviour.get(row.program.name, "")]
    return replace(row, program=replace(row.program, command=command))


if __name__ == "__main__":
    sys.exit(main(standins, float(behaviour.get("patience", READY_SECONDS))))
