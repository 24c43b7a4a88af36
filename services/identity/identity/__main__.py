"""Run the identity service, `python -m identity`, or a command for its operator (`identity.operations`)."""

import sys

from runtime.loading import loading

with loading():
    from runtime.process import run

    from identity import operations
    from identity.app import service
    from identity.settings import Settings

if len(sys.argv) == 1:
    run(service.name, Settings, service.run)
else:
    sys.exit(operations.main(sys.argv[1:]))
