"""`set_read_only.py PID PATH`: make the mount at PATH, in the mount namespace of process PID, read-only where it is.

A program of its own, because a process with threads cannot change its mount namespace. Its exit status is the errno,
0 for success. PATH cannot be led astray by the sandbox: a directory on which something is mounted can be neither
renamed nor removed there (EBUSY, rename(2)).
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import linux


def main() -> None:
    """Enter, restrict, end."""
    pid, path = sys.argv[1:]
    try:
        linux.setns(os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY), linux.CLONE_NEWNS)
        linux.restrict(Path(path), linux.MOUNT_ATTR_RDONLY)
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(error.errno)


if __name__ == "__main__":
    main()
