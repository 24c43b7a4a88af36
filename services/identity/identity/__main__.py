"""Run the identity service, `python -m identity`, or a command for its operator (`identity.operations`)."""

import sys

from eventing.main import COMMANDS, run_service
from runtime.loading import loading

if len(sys.argv) == 1 or sys.argv[1] in COMMANDS:
    run_service("identity")
else:
    with loading():
        from identity import operations
    sys.exit(operations.main(sys.argv[1:]))
