"""Tasks that failed for good."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from celery import current_app, shared_task
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from console import failed_tasks, tasks
from console.models import FailedTask
from portal.models import AuditEntry, User

pytestmark = pytest.mark.django_db


@shared_task(name="console.tests.breaks")
def breaks(number: str) -> None:
    raise RuntimeError(f"no room for {number}")


@pytest.fixture
def failed() -> FailedTask:
    """As a worker does it, with all signals."""
    breaks.apply(args=("17",), task_id="the-id")
    return FailedTask.objects.get()


def test_it_writes_down_what_failed_and_why(failed: FailedTask) -> None:
    assert (failed.name, failed.arguments) == ("console.tests.breaks", ["17"])
    assert failed.error == "RuntimeError: no room for 17"
    assert "Traceback" in failed.traceback
    assert "test_failed_tasks.py" in failed.traceback
    breaks.apply(args=("17",), task_id="the-id")
    assert FailedTask.objects.count() == 1, "one row per task, however often it is tried"


def test_it_does_it_again_once(
    failed: FailedTask, operator: User, sign_in: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args: sent.append((name, args)))
    client = sign_in(operator)
    for _ in range(2):
        client.post("/admin/console/failedtask/", {"action": "retry", "_selected_action": [failed.pk]})
    assert sent == [("console.tests.breaks", ["17"])]
    assert AuditEntry.objects.filter(verb="task.retried", actor=operator).count() == 1


def test_it_does_not_do_again_what_is_no_task(operator: User) -> None:
    strange = FailedTask.objects.create(task_id="x", name="os.system", arguments=["true"], error="x")
    assert not failed_tasks.retry(operator, strange)


def test_it_needs_the_right_to_do_it_again(failed: FailedTask, owner: User, sign_in: Callable[[User], Client]) -> None:
    owner.is_staff = True
    owner.save()
    owner.user_permissions.add(Permission.objects.get(codename="view_failedtask"))
    client = sign_in(owner)
    assert "no room for 17" in client.get("/admin/console/failedtask/").text
    client.post("/admin/console/failedtask/", {"action": "retry", "_selected_action": [failed.pk]})
    failed.refresh_from_db()
    assert failed.retried_at is None


def test_it_forgets_after_a_month(failed: FailedTask) -> None:
    FailedTask.objects.update(failed_at=timezone.now() - timedelta(days=29))
    tasks.prune()
    assert FailedTask.objects.exists()
    FailedTask.objects.update(failed_at=timezone.now() - timedelta(days=31))
    tasks.prune()
    assert not FailedTask.objects.exists()
