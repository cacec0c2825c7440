"""The Lab's Celery tasks: an id, a function, limits. What they do, step by step: lifecycle, reaper, reconciler.

Messages are acknowledged late and may arrive twice; every task re-reads its row and may be killed at any line.
Launches and stops share one queue, in order; what must not wait behind them (a withdrawn library) goes through the
default queue.
"""

from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import worker_ready
from django.conf import settings

from collabs.models import Collab
from portal.ops.task_queue import publish

from .environments import builds
from .git_pull import services
from .servers import drive_scans, lifecycle, reaper
from .servers import reconciler as reconciling

LAUNCH_SECONDS = settings.LAB_START_TIMEOUT + 90
STOP_SECONDS = 420


@shared_task(soft_time_limit=LAUNCH_SECONDS, time_limit=LAUNCH_SECONDS + 15)
def launch(server_id: str) -> None:
    """requested -> starting -> running. See lifecycle.launch."""
    lifecycle.launch(UUID(server_id))


@shared_task(soft_time_limit=STOP_SECONDS, time_limit=STOP_SECONDS + 15)
def stop(server_id: str) -> None:
    """stopping -> stopped or failed; or removes what has no live row. See lifecycle.end."""
    lifecycle.end(UUID(server_id))


@shared_task(soft_time_limit=STOP_SECONDS, time_limit=STOP_SECONDS + 15)
def reap_server(server_id: str) -> None:
    """Stops one due server if it is idle now. See reaper.reap."""
    reaper.reap(UUID(server_id))


@shared_task(soft_time_limit=60, time_limit=75)
def remount(server_id: str) -> None:
    """Follows what the person may see. See lifecycle.follow_access."""
    lifecycle.follow_access(UUID(server_id))


@shared_task(soft_time_limit=30, time_limit=45)
def start_kernel(server_id: str, place: str) -> None:
    """Starts the kernel of a notebook that is being opened in a running server, after the packages kept for it."""
    server = lifecycle.find(UUID(server_id))
    if server and server.is_running:
        lifecycle.install_packages_of(server, place)
        lifecycle.start_kernel(server, place)


@shared_task(soft_time_limit=30, time_limit=45)
def install_packages(server_id: str, collab_id: int) -> None:
    """Installs a Collab's packages in the running Lab of a person who has just agreed to them."""
    server = lifecycle.find(UUID(server_id))
    collab = Collab.objects.visible_to(server.owner).filter(pk=collab_id).first() if server else None
    if server and server.is_running and collab:
        lifecycle.install_packages(server, collab)


@shared_task(soft_time_limit=60, time_limit=75)
def pull(pull_id: str) -> None:
    """One step of fetching a repository into a library; the next one comes a second later. See git_pull.services."""
    if services.step(UUID(pull_id)):
        publish("lab.tasks.pull", pull_id, after=services.LOOK_SECONDS)


@shared_task(soft_time_limit=builds.BUILD_SECONDS + 60, time_limit=builds.BUILD_SECONDS + 120)
def build_environment(build_id: int) -> None:
    """Makes an environment from its list of packages. See builds.run."""
    builds.run(build_id)


@shared_task(soft_time_limit=60, time_limit=75)
def reap() -> None:
    """Takes up the servers that are due. See reaper.take_up_due."""
    reaper.take_up_due()


@shared_task(soft_time_limit=60, time_limit=75)
def reconcile() -> None:
    """Makes rows true. See reconciler.reconcile."""
    reconciling.reconcile()


@shared_task(soft_time_limit=60, time_limit=75)
def scan_mounted() -> None:
    """Has the Drive capture what running notebooks write. See drive_scans.scan_mounted."""
    drive_scans.scan_mounted()


@worker_ready.connect
def reconcile_on_start(**_: Any) -> None:
    """A worker that was killed may have left something behind; its successor looks at once."""
    publish("lab.tasks.reconcile")
