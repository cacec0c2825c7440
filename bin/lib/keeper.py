"""Keep bin/keep itself running, which keeps every process of the site."""

import signal
import subprocess
import threading
import time
from pathlib import Path

STABLE_SECONDS = 20
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0


def keep(command: list[str], *, cwd: Path, env: dict[str, str]) -> None:
    """Run the command until SIGINT, SIGTERM or SIGHUP, and again whenever it ends before. In the main thread.

    What a keeper leaves that was killed ends with it, and the next one waits for that.
    """
    stopping = threading.Event()
    running: list[subprocess.Popen] = []

    def stop(*_: object) -> None:
        stopping.set()
        for one in running:
            one.terminate()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    pause = FIRST_PAUSE
    while not stopping.is_set():
        began = time.monotonic()
        # A process group of its own: Ctrl-C is for us, and it ends the processes in order.
        running[:] = [subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, process_group=0)]
        if stopping.is_set():
            running[0].terminate()
        running[0].wait()
        if not stopping.is_set():
            pause = FIRST_PAUSE if time.monotonic() - began > STABLE_SECONDS else min(pause * 2, LONGEST_PAUSE)
            print("What keeps the processes has ended; starting it again", flush=True)
            stopping.wait(pause)
