"""Building an environment from its list of packages.

Each build goes into a new directory; only when it works does the environment lead there, so that running servers keep
what they have, and a build that fails changes nothing. Packages may run code while they are built: all of it happens in
a sandbox that sees the new directory and the network, and nothing of the portal.
"""

import logging
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from drive.storage import disk_space
from lab import conda_spec
from lab.models import Environment, Server
from lab.models.builds import LIVE_BUILDS, Build, BuildState
from lab.models.environments import EnvironmentKind
from portal import audit
from portal.models import User
from portal.ops.task_queue import enqueue
from portal.sandboxing import bwrap

from . import build_sandbox, static_files

log = logging.getLogger(__name__)

BUILD_SECONDS = 1800
DISK_SECONDS = 1.0
"""Between two looks at what is left of the disk while something is built."""
LOST_AFTER = timedelta(seconds=BUILD_SECONDS + 300)
LOG_SHOWN_BYTES = 100_000
NEEDED = ("jupyterlab", "ipykernel")
"""What a Lab cannot do without; in the versions that the base environment has, for conda the same minor ones."""
_SCRIPT = """set -e
"$1" -m venv --clear "$2"
"$2/bin/python" -m pip install --no-input --no-cache-dir --disable-pip-version-check --requirement /run/lab/packages.txt
prefix="$2"; shift 2
"$prefix/bin/python" -c "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]" "$@"
"""
_CONDA_SCRIPT = """set -e
"$1" -I -S /run/lab/conda_build.py "$2" /run/lab/packages.txt
prefix="$2"; shift 2
"$prefix/bin/python" -m pip --version
"$prefix/bin/python" -c "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]" "$@"
"$prefix/bin/python" -m compileall -q -j 0 "$prefix"/lib/python3* || echo "Not all of it could be compiled."
"""


class CannotBuildError(Exception):
    """A build was refused, and nothing was begun. `str(error)` is for the operator."""


class UnusableBuildError(Exception):
    """The build succeeded, but its result must not be used. `str(error)` is for the operator."""


@transaction.atomic
def request_build(actor: User, environment: Environment) -> Build:
    """Queue a build. Raises CannotBuildError where there is nothing to build from, or one is under way."""
    if not environment.packages.strip():
        raise CannotBuildError(f"“{environment}” has no packages to build from.")
    if environment.kind == EnvironmentKind.CONDA and (
        wrong := conda_spec.check(environment.packages, environment.channels)
    ):
        raise CannotBuildError(" ".join(wrong.values()))
    asked = {name: getattr(environment, name) for name in ("kind", "packages", "channels")}
    try:
        with transaction.atomic():
            build = Build.objects.create(environment=environment, **asked, asked_by=actor)
    except IntegrityError:
        raise CannotBuildError(f"“{environment}” is already being built.") from None
    audit.record(actor, "lab.environment.build-asked", environment)
    enqueue("lab.tasks.build_environment", build.pk)
    return build


def run(build_id: int) -> None:
    """queued -> running -> done or failed. Nothing for one that somebody else has taken up."""
    taken = Build.objects.filter(pk=build_id, state=BuildState.QUEUED)
    prefix = environments_directory() / f"build-{build_id}"
    if not taken.update(state=BuildState.RUNNING, started_at=timezone.now(), prefix=str(prefix)):
        return
    build = Build.objects.select_related("environment").get(pk=build_id)
    try:
        _make(build, prefix)
    except (OSError, subprocess.SubprocessError, conda_spec.InvalidCondaSpecError, UnusableBuildError) as error:
        log.warning("build %s of %s: %s", build.pk, build.environment.slug, error)
        _fail(build, _said(error))
    else:
        static_files.publish(str(prefix))
        _switch(build)


def _make(build: Build, prefix: Path) -> None:
    """Raises OSError, SubprocessError, InvalidCondaSpecError, UnusableBuildError."""
    channels = conda_spec.channels(build.channels) if build.kind == EnvironmentKind.CONDA else None
    if channels is None:
        order = "\n".join([*base_requirements(), *build.packages.splitlines(), ""])
    else:
        order = conda_spec.build_input(base_requirements(), build.packages, channels)
    with build_sandbox.sandbox(order) as sandbox:
        words = pip_words(sandbox, prefix) if channels is None else conda_words(sandbox, prefix, channels)
        prefix.mkdir(parents=True)
        _run(build, sandbox, words)
    if build_sandbox.has_foreign_interpreter(prefix):
        raise UnusableBuildError("A package replaced the interpreter by a link to another place on this machine.")


def _run(build: Build, sandbox: bwrap.Command, words: list[str]) -> None:
    with log_file(build).open("wb") as output:
        process = build_sandbox.start(sandbox, words, stdout=output, stderr=output, start_new_session=True)
        try:
            code = _wait(process, Path(build.prefix).parent)
        except BaseException:  # the time is over, for it or for the task
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    if code:
        raise subprocess.CalledProcessError(code, "the build")


def _wait(process: subprocess.Popen[bytes], place: Path) -> int:
    """Its exit code. TimeoutExpired after BUILD_SECONDS; UnusableBuildError before the disk's reserve is used."""
    until = time.monotonic() + BUILD_SECONDS
    while time.monotonic() < until:
        if disk_space.left(place) <= 0:
            raise UnusableBuildError("There is not enough free space on the disk (DISK_RESERVE_BYTES).")
        with suppress(subprocess.TimeoutExpired):
            return process.wait(DISK_SECONDS)
    raise subprocess.TimeoutExpired("the build", BUILD_SECONDS)


def pip_words(sandbox: bwrap.Command, prefix: Path) -> list[str]:
    """Command line that builds a virtual environment from requirements."""
    arguments = [build_sandbox.python(), str(prefix), *NEEDED]
    return build_sandbox.words(sandbox, prefix, _SCRIPT, arguments, pip=True)


def conda_words(sandbox: bwrap.Command, prefix: Path, channels: list[conda_spec.Channel]) -> list[str]:
    """Command line that builds a conda environment from what `conda_spec.build_input` wrote."""
    arguments = [build_sandbox.python(), str(prefix), *NEEDED]
    return build_sandbox.words(sandbox, prefix, _CONDA_SCRIPT, arguments, binds=conda_spec.bind_words(channels))


def base_requirements() -> list[str]:
    """Requirements that come with every environment."""
    pins = (settings.BASE_DIR / "lab/environments/pins/base.txt").read_text().splitlines()
    return [pin.split(";")[0].strip() for pin in pins if pin.split("==")[0] in NEEDED]


def _switch(build: Build) -> None:
    """Point the environment to the new build, from the next launch on."""
    with transaction.atomic():
        still = Build.objects.filter(pk=build.pk, state=BuildState.RUNNING)
        if not still.update(state=BuildState.DONE, ended_at=timezone.now()):
            return
        Environment.objects.filter(pk=build.environment_id).update(prefix=build.prefix)
        audit.record(build.asked_by, "lab.environment.built", build.environment, prefix=build.prefix)


def _fail(build: Build, why: str) -> None:
    failed = Build.objects.filter(pk=build.pk, state__in=LIVE_BUILDS)
    failed.update(state=BuildState.FAILED, error=why, ended_at=timezone.now(), prefix="")
    if build.prefix:
        shutil.rmtree(build.prefix, ignore_errors=True)


def _said(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"The build took longer than {BUILD_SECONDS // 60} minutes."
    if isinstance(error, subprocess.CalledProcessError):
        return "The build failed. See the end of the log."
    return (
        str(error)
        if isinstance(error, conda_spec.InvalidCondaSpecError | UnusableBuildError)
        else f"It could not be started: {error}"
    )


def count_anew(late: Q) -> None:
    """Let these builds, such as those that slept with the machine, have their time again."""
    Build.objects.filter(late, state=BuildState.RUNNING).update(started_at=timezone.now())


def sweep() -> None:
    """Builds whose task was killed have failed; what an environment led to before goes when no server runs in it."""
    lost = Q(state=BuildState.RUNNING, started_at__lt=timezone.now() - LOST_AFTER)
    for build in Build.objects.filter(lost):
        _fail(build, "The build was interrupted.")
    for build in Build.objects.filter(state=BuildState.DONE).exclude(prefix="").select_related("environment"):
        if build.prefix != build.environment.prefix and not _is_used(build):
            shutil.rmtree(build.prefix, ignore_errors=True)
            Build.objects.filter(pk=build.pk).update(prefix="")


def _is_used(build: Build) -> bool:
    """True while a server that was started in this build lives, or another environment leads to it."""
    servers = Server.objects.live().filter(environment=build.environment)
    newer = Build.objects.filter(environment=build.environment, state=BuildState.DONE, ended_at__gt=build.ended_at)
    until = newer.order_by("ended_at").values_list("ended_at", flat=True).first()
    if until:  # a launch that was under way took the older one
        servers = servers.filter(requested_at__lte=until + timedelta(minutes=5))
    return servers.exists() or Environment.objects.filter(prefix=build.prefix).exists()


def environments_directory() -> Path:
    """Parent directory of all builds."""
    return settings.LAB_ROOT / "environments"


def log_file(build: Build) -> Path:
    """Log file of the build."""
    directory = settings.LAB_ROOT / "builds"
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f"{build.pk}.log"


def logs_without_build() -> list[Path]:
    """Log files of builds whose rows are gone."""
    found = {int(path.stem): path for path in (settings.LAB_ROOT / "builds").glob("*.log") if path.stem.isdecimal()}
    known = set(Build.objects.order_by().values_list("pk", flat=True)) if found else set()
    return [path for key, path in found.items() if key not in known]


def log_tail(build: Build) -> str:
    """Last bytes of the build's log, as text."""
    try:
        with log_file(build).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_SHOWN_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
