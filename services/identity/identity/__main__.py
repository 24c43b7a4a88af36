"""Run the identity service, `python -m identity`, or a command for its operator (`identity.operations`)."""

import sys

from runtime.loading import loading
from runtime.main import run_service

if len(sys.argv) == 1:
    run_service("identity")
else:
    with loading():
        from identity import operations
    sys.exit(operations.main(sys.argv[1:]))
