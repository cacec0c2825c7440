"""Start Redis: `broker.py redis-server --dir DIRECTORY --unixsocket SOCKET …`; damaged files are set aside first.

Redis refuses to start with a file in which anything but its end is wrong, and would be restarted for ever. No file of
anybody and no right depends on what is in it: the Lab's reconciler and the rounds of the clock look at rows, and queue
again what is due. The damaged files stay beside, for whoever wants to look, and the administration's first page says
so.

Redis has its own judgement, which is asked where its checker finds fault: a file whose end was cut off, as by a power
failure, is read up to there.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

FILES = "appendonlydir"
DAMAGED = "damaged-"
KEPT = 3
"""Damaged ones that are kept."""
TRIAL_SECONDS = 60


def main(command: Sequence[str]) -> None:
    """Become Redis."""
    directory = Path(_option(command, "--dir"))
    try:
        if not is_sound(directory / FILES) and not starts(command, directory):
            set_aside(directory)
    except OSError as error:  # such as a full disk: Redis says what it cannot do
        print(f"Redis's files were not checked: {error}", file=sys.stderr, flush=True)
    os.execvp(command[0], list(command))


def is_sound(files: Path) -> bool:
    """True if Redis's checker finds no fault in its files, or there are none: without a manifest it begins anew."""
    manifest = files / "appendonly.aof.manifest"
    if not manifest.exists():
        return True
    check = ["redis-check-aof", str(manifest)]
    # The checker finds no fault in an empty one.
    return manifest.stat().st_size > 0 and subprocess.run(check, capture_output=True, check=False).returncode == 0


def starts(command: Sequence[str], directory: Path) -> bool:
    """True if Redis starts from a copy of its files."""
    trial, address = directory / "trial", Path(_option(command, "--unixsocket")).with_suffix(".trial")
    shutil.rmtree(trial, ignore_errors=True)
    shutil.copytree(directory / FILES, trial / FILES)
    values = {"--dir": str(trial), "--unixsocket": str(address)}
    words = [values.get(before, word) for before, word in zip(["", *command], command, strict=False)]
    try:
        # Killed with us: who starts us anew would start another one.
        with subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *words], stdout=subprocess.DEVNULL) as process:
            until = time.monotonic() + TRIAL_SECONDS
            while process.poll() is None and time.monotonic() < until and not _answers(address):
                time.sleep(0.02)
            works = process.poll() is None
            process.kill()
    finally:
        shutil.rmtree(trial, ignore_errors=True)
        address.unlink(missing_ok=True)
    return works


def set_aside(directory: Path) -> None:
    """Rename the files; the oldest damaged ones are removed."""
    place = directory / f"{DAMAGED}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    (directory / FILES).rename(place)
    print(f"Redis's files were damaged. They are in {place}; Redis begins without them.", file=sys.stderr, flush=True)
    for old in sorted(directory.glob(f"{DAMAGED}*"))[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _option(command: Sequence[str], name: str) -> str:
    return command[command.index(name) + 1]


def _answers(address: Path) -> bool:
    """True once it has read its files."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(address))
            connection.sendall(b"PING\r\n")
            return connection.recv(100).startswith(b"+PONG")
    except OSError:
        return False


if __name__ == "__main__":
    main(sys.argv[1:])
