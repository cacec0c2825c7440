"""Telling people, and what they wish to be told by mail."""

from collections.abc import Collection, Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from portal.models import User
from portal.ops.task_queue import enqueue

from .models import MAILED, Kind, Mail, Notice, Wish

KEEP = timedelta(days=180)


@transaction.atomic
def notify(people: Iterable[User], kind: Kind, *, subject: str, text: str = "", url: str = "") -> None:
    """Write a notice for each active one of these people, and have it mailed to those who wish so.

    Part of the caller's transaction: what is undone is told to nobody. `url` is a path of this site.
    """
    told = {user.pk: user for user in people if user.is_active}
    said = dict(Wish.objects.filter(user__in=told, kind=kind).values_list("user", "by_mail"))
    for pk, user in told.items():
        mailed = bool(user.email) and said.get(pk, kind in MAILED)
        notice = Notice(user=user, kind=kind, subject=one_line(subject)[:200], text=text, url=url[:500])
        if mailed:
            notice.mail, notice.mail_again_at = Mail.WAITING, timezone.now()
        notice.save()
        if mailed:
            enqueue("notices.tasks.send", notice.pk)


def one_line(text: str) -> str:
    """Without line breaks: titles are made by people, and a subject with a line break could carry mail headers."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def mark_read(user: User, notice: Notice | None = None) -> None:
    """One of the person's notices has been looked at; all, when none is named."""
    unread = Notice.objects.unread(user)
    (unread.filter(pk=notice.pk) if notice else unread).update(read_at=timezone.now())


def mail_preferences(user: User) -> dict[Kind, bool]:
    """Which kinds come by mail."""
    said = dict(Wish.objects.filter(user=user).values_list("kind", "by_mail"))
    return {kind: said.get(kind, kind in MAILED) for kind in Kind}


@transaction.atomic
def set_mail_preferences(user: User, by_mail: Collection[str]) -> None:
    """These kinds come by mail, the others do not."""
    for kind in Kind:
        Wish.objects.update_or_create(user=user, kind=kind, defaults={"by_mail": kind in by_mail})


def forget_old() -> int:
    """Delete what was said long ago; how many that were."""
    return Notice.objects.filter(created_at__lt=timezone.now() - KEEP).exclude(mail=Mail.WAITING).delete()[0]
