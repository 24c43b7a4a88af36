"""Whether the kernel has descriptors of processes, which notify of their ends."""

import errno
import os
import sys
from functools import cache


@cache
def has_process_descriptors() -> bool:
    """Return whether the kernel has descriptors of processes: Linux before 5.3 and some containers have none."""
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        return error.errno not in {errno.ENOSYS, errno.EPERM}
    return True
