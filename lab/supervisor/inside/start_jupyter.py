"""Runs inside the sandbox as the person's own code could: starts JupyterLab by importing it here and now.

Jupyter is imported and prepared while the supervisor still sets up the network.
"""

import json
import os
import sys
from pathlib import Path

import serving  # type: ignore[import-not-found]  # beside this file


def main() -> None:
    """Read the launch's settings and serve until stopped."""
    run = sys.argv[1]
    fds = json.loads(Path(run, "launch.json").read_text())["fds"]
    for fd in fds.values():
        os.set_inheritable(fd, False)
    serving.serve(run, listening=fds["listening"], go=fds["go"])


if __name__ == "__main__":
    main()
