"""Having a git repository fetched into a library of one's own, in one's own Lab.

It is done in the sandbox (lab/supervisor/inside/git_pull.py), where it can do nothing that its person could not; the
portal asks for it, asks how far it is, and believes nothing of the answer but its shape. A task makes one step and
wakes the next; should that chain break, the page that somebody looks at begins another one.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from drive.models import Library
from drive.storage import StorageError, open_library
from lab.models import Server
from lab.models.git_pulls import UNDER_WAY, Pull, PullState
from lab.models.leases import AHEAD
from lab.servers import services
from lab.servers.clients import client_of
from lab.servers.clients.jupyter import JupyterError
from portal import audit
from portal.models import User
from portal.ops import task_queue

LOOK_SECONDS = 1.0
BROKEN_AFTER = timedelta(seconds=15)
"""What a living chain of tasks would have done by then."""
AT_MOST = timedelta(minutes=20)
TEXT = 300
"""Characters of what the Lab says that are kept of a line."""
NAMED = 50


def request(actor: User, *, library: Library, folder: str, repo: str, branch: str = "", path: str = "") -> Pull:
    """Begin; the person's Lab is started if need be. Raises services.CannotLaunchError, and then nothing was begun."""
    services.request_server(actor, actor)
    with transaction.atomic():
        pull = Pull.objects.create(user=actor, library=library, folder=folder, repo=repo, branch=branch, path=path)
        audit.record(actor, "lab.git_pull", library, repo=repo, folder=folder)
        task_queue.enqueue("lab.tasks.pull", pull.pk.hex)
    return pull


def place_there(library: Library, folder: str, path: str = "") -> str:
    """Path in `~/drive` of what a link leads to and is there already: the file, else the folder; "" for none."""
    pull = Pull(library=library, folder=folder, path=path)
    with suppress(StorageError), open_library(library) as files:
        files.stat(folder)
        try:
            files.stat(f"{folder}/{path}" if path else folder)
        except StorageError:
            return pull.target
        return pull.place
    return ""


def resume(pull: Pull) -> None:
    """Start a new chain of tasks if the old one has broken."""
    now = timezone.now()
    late = Q(looked_at__lt=now - BROKEN_AFTER) | Q(looked_at__gt=now + AHEAD)
    broken = Pull.objects.filter(late, pk=pull.pk, state__in=UNDER_WAY)
    if broken.update(looked_at=timezone.now()):
        task_queue.publish("lab.tasks.pull", pull.pk.hex)


def step(pull_id: UUID) -> bool:
    """Make one step of a pull; True if another one is needed."""
    pull = Pull.objects.select_related("user", "library").filter(pk=pull_id, state__in=UNDER_WAY).first()
    if pull is None:
        return False
    server = Server.objects.live().filter(owner=pull.user).first()
    if pull.created_at < timezone.now() - AT_MOST:
        return fail(pull, gettext_noop("Fetching took too long. Follow the link again; existing files are unchanged."))
    if pull.library.owner_user_id != pull.user_id or pull.library.deleted_at or not pull.user.is_active:
        return fail(pull, gettext_noop("You no longer own this library."))
    if server is None:
        return fail(pull, gettext_noop("Your Lab stopped before the repository was fetched. Follow the link again."))
    if not server.is_running:
        pull.move()
        return True
    try:
        answer = client_of(server).pull(_for_lab(pull))
    except JupyterError:
        pull.move()  # busy, or just gone: the next step finds out
        return True
    return _note(pull, answer)


def _for_lab(pull: Pull) -> dict[str, Any]:
    return {
        "id": pull.pk.hex,
        "repo": pull.repo,
        "branch": pull.branch,
        "path": f"drive/{pull.target}",
        "allow": settings.LAB_GIT_PRIVATE_HOSTS,
    }


def fail(pull: Pull, error: str) -> bool:
    """End a pull with an error; False, for no step comes after this."""
    pull.move(state=PullState.FAILED, error=error, progress="")
    return False


def _note(pull: Pull, answer: dict[str, Any]) -> bool:
    match answer.get("state"):
        case "done":
            report = answer.get("report")
            pull.move(
                state=PullState.DONE, progress="", report=clean_report(report if isinstance(report, dict) else {})
            )
        case "failed":
            return fail(pull, _text(answer.get("error")) or gettext_noop("git failed."))
        case _:
            pull.move(state=PullState.RUNNING, progress=_text(answer.get("progress"))[:200])
            return True
    return False


def clean_report(report: dict[str, Any]) -> dict[str, Any]:
    """The Lab's report in the shape that the page expects, whatever it was."""
    kept, returned = report.get("kept"), report.get("returned")
    renamed = report.get("renamed") if isinstance(report.get("renamed"), dict) else None
    rows = [row for row in kept[:NAMED] if isinstance(row, dict)] if isinstance(kept, list) else []
    return {
        "what": _text(report.get("what")),
        "commit": _text(report.get("commit"))[:40],
        "committed": report.get("committed") is True,
        "kept": [{"path": _text(row.get("path")), "beside": _text(row.get("beside"))} for row in rows],
        "returned": _texts(returned),
        "renamed": {"from": _text(renamed.get("from")), "to": _text(renamed.get("to"))} if renamed else {},
        "submodules": _texts(report.get("submodules")),
        "lfs": _texts(report.get("lfs")),
    }


def _texts(value: object) -> list[str]:
    return [_text(line) for line in value[:NAMED]] if isinstance(value, list) else []


def _text(value: object) -> str:
    """Printable text, at most TEXT characters; "" for anything else."""
    text = value if isinstance(value, str) else ""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:TEXT])
