"""One rendering: a process that has the renderer's packages and its input, and nothing else of the machine.

Files are read by large programs that were not written against people who make files to break them. So these run in
namespaces of their own: no network, no files but the interpreter and its packages (read-only), no privileges, bounds
for memory, processor time and output, and an end.
"""

import os
import selectors
import signal
import subprocess
import time
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.utils.translation import gettext_noop

from portal.ops import background
from portal.sandboxing import bwrap

PROGRAM = Path(__file__).parent / "inside"
"""Folder of the program that renders, a package whose module `render` is run."""
MARKUP = Path(settings.BASE_DIR) / "portal/text/markup"
"""Folder of the package that it uses besides; the portal does, too."""
INSIDE = "/environment"
"""Path of the packages inside: another than on the machine, whose directories are nobody's business there."""
START = "import runpy, sys; sys.path.insert(0, '/program'); runpy.run_module('preview.render', run_name='__main__')"
SECONDS = 40
MEMORY = 2 * 2**30
"""Address space (bytes); what is written to `/tmp` inside counts apart."""
TMP = 32 * 2**20
MOST_OUTPUT = 32 * 2**20
ENVIRONMENT = {"HOME": "/tmp", "LANG": "C.UTF-8", "JUPYTER_PLATFORM_DIRS": "1", "OPENBLAS_NUM_THREADS": "1"}  # noqa: S108
"""OpenBLAS, which NumPy brings, sets memory aside for each thread: with one for each core, it may be all of MEMORY."""
_NO_MEMORY = (b"MemoryError", b"bad_alloc", b"Unable to allocate", b"memory allocation of")
WRONG = 3
"""The status that says: what is wrong is the content; stderr ends with a sentence for people."""


class RenderFailedError(Exception):
    """No result; the text is for people."""


class CannotIsolateError(RenderFailedError):
    """This machine, or this account, cannot run it as it must be run."""


def render(
    what: str,
    source: BinaryIO,
    *,
    ending: str = "",
    science: bool = False,
    seconds: float = SECONDS,
    memory: int = MEMORY,
    nice: int = 0,
) -> bytes:
    """Render an open file (with a descriptor) in the sandbox; RenderFailedError with the reason if that fails.

    Its content comes by stdin, for which it should be a copy. With an `ending` the file itself is there read-only, as
    `/file.<ending>`; `science`: with the packages for that. It is among what can wait (portal.ops.background); `nice`:
    how much it gives way there (nice(1)).
    """
    if os.geteuid() == 0:
        raise CannotIsolateError(gettext_noop("Files are not rendered by the root account."))
    prefix = science_environment() if science else environment()
    if not (prefix / "bin/python").exists():
        raise CannotIsolateError(gettext_noop("The packages for rendering are not installed. Run bin/up."))
    limits = ["prlimit", f"--as={memory}", f"--cpu={int(seconds) + 1}", "--core=0", "--nofile=256"]
    given = [source.fileno()] if ending else []
    try:
        with bwrap.Command(bwrap.PREVIEW) as sandbox:
            process = subprocess.Popen(
                background.command([*limits, *_command(sandbox, what, prefix, given, ending)], nice),
                stdin=subprocess.DEVNULL if ending else source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[*sandbox.descriptors, *given],
                env=bwrap.VARIABLES,
                start_new_session=True,
                cwd="/",
            )
    except OSError as error:
        raise CannotIsolateError(gettext_noop("bubblewrap or prlimit is missing on this machine.")) from error
    try:
        output, said = _read(process, time.monotonic() + seconds)
        status = process.wait(max(1, seconds))
    except subprocess.TimeoutExpired as error:
        raise RenderFailedError(gettext_noop("Rendering takes too long.")) from error
    finally:
        _end(process)
    if status == WRONG:
        raise RenderFailedError(said.decode(errors="replace").rstrip().rpartition("\n")[2][:300])
    if status:
        raise RenderFailedError(_reason(status, said))
    return output


def environment() -> Path:
    """The virtual environment with the packages that render."""
    return Path(settings.PREVIEW_ENVIRONMENT)


def science_environment() -> Path:
    """The virtual environment with the packages for science's files."""
    return Path(f"{settings.PREVIEW_ENVIRONMENT}-science")


def has_science() -> bool:
    """True if these packages are installed; bin/up does that while the site runs already."""
    return (science_environment() / ".requirements").exists()


def _reason(status: int, said: bytes) -> str:
    if b"bwrap:" in said:
        return gettext_noop("This machine cannot render files in a sandbox.")
    if any(words in said for words in _NO_MEMORY):
        return gettext_noop("Rendering needs too much memory.")
    if status in (-signal.SIGXCPU, 128 + signal.SIGXCPU, -signal.SIGKILL, 128 + signal.SIGKILL):
        return gettext_noop("Rendering takes too long.")
    return gettext_noop("This file could not be rendered.")


def _read(process: subprocess.Popen, until: float) -> tuple[bytes, bytes]:
    """All output, and the end of what was complained. RenderFailedError for too much, TimeoutExpired for too slow."""
    assert process.stdout
    assert process.stderr
    output, said = bytearray(), bytearray()
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ, output)
        waiting.register(process.stderr, selectors.EVENT_READ, said)
        while waiting.get_map():
            left = until - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, 0)
            for key, _ in waiting.select(left):
                data = os.read(key.fd, 1 << 16)
                key.data.extend(data)
                if not data:
                    waiting.unregister(key.fileobj)
            if len(output) > MOST_OUTPUT:
                raise RenderFailedError(gettext_noop("The rendered result is too large to show."))
            del said[:-4096]
    return bytes(output), bytes(said)


def _end(process: subprocess.Popen) -> None:
    """Killing bubblewrap ends everything in its PID namespace (`--die-with-parent`)."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()


def _command(sandbox: bwrap.Command, what: str, prefix: Path, given: list[int], ending: str) -> list[str]:
    """`given`: the file that is there in place. First of all the program closes that descriptor, before it has read
    anything: a file that was opened to read can be opened anew by it to write (proc(5))."""
    file = [word for fd in given for word in ("--ro-bind", f"/proc/self/fd/{fd}", f"/file.{ending}")]
    closing = "".join(f"import os; os.close({fd}); " for fd in given)
    seen = [word for name in bwrap.LIBRARIES for word in ("--ro-bind-try", f"/usr/{name}", f"/usr/{name}")]
    seen += [*bwrap.top_level(bwrap.LIBRARIES), *_interpreter(prefix)]
    seen += ["--ro-bind", str(prefix), INSIDE, "--ro-bind", str(PROGRAM), "/program/preview", *file]
    seen += ["--ro-bind", str(MARKUP), "/program/portal/text/markup"]
    seen += [*bwrap.processes(), *bwrap.devices_and_tmp(TMP), "--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108
    program = [f"{INSIDE}/bin/python", "-I", "-c", f"{closing}{START}", what, *file[2::3]]
    return sandbox.words(seen=seen, environment=ENVIRONMENT, program=program)


def _interpreter(prefix: Path) -> list[str]:
    """The Python that a virtual environment was made with: of `/usr` the program alone, with the links to it."""
    python = (prefix / "bin/python").resolve()
    base = bwrap.base_of(prefix)
    if base != Path("/usr"):
        return ["--ro-bind", str(base), str(base)]
    words = ["--ro-bind", str(python), str(python)]
    link = prefix / "bin/python"
    while link.is_symlink():
        if prefix not in link.parents:
            words += ["--symlink", os.readlink(link), str(link)]
        link = link.parent / link.readlink()
    return words
