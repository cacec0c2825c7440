"""Write notices, and people's e-mail preferences."""

from collections.abc import Collection, Iterable

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from portal import languages
from portal.models import User
from portal.ops.task_queue import enqueue

from .models import MAILED, Kind, Mail, Notice, Wish


@transaction.atomic
def notify(
    people: Iterable[User], kind: Kind, *, subject: str | Promise, text: str | Promise = "", url: str = ""
) -> None:
    """Write a notice to each active person of these, and queue an e-mail according to their preferences.

    Lazy translations (`gettext_lazy`, with `format_lazy` for what is in them) come out in each person's language.

    Part of the caller's transaction: a rollback drops the notices. `url` is a path of this site.
    """
    told = {user.pk: user for user in people if user.is_active}
    said = dict(Wish.objects.filter(user__in=told, kind=kind).values_list("user", "by_mail"))
    for pk, user in told.items():
        mailed = bool(user.email) and said.get(pk, kind in MAILED)
        with languages.speaking_to(user):
            said_to = {"subject": one_line(str(subject))[:200], "text": str(text)}
        notice = Notice(user=user, kind=kind, url=url[:500], **said_to)
        if mailed:
            notice.mail, notice.mail_again_at = Mail.WAITING, timezone.now()
        notice.save()
        if mailed:
            enqueue("notices.tasks.send", notice.pk)


def warn_of_guessed_passwords(user: User) -> None:
    """Tell a person that others try passwords for their account."""
    text = gettext_lazy(
        "Many wrong passwords were tried for your account within an hour, from places where you have not signed in "
        "before. Nobody got in by them, and tries are slowed down. You can go on signing in.\n\n"
        "Is your password used anywhere else, or easy to guess? Then choose a new one. With a second factor, a "
        "password alone is no use to anybody: see “Second factor” among your account’s pages."
    )
    notify(
        [user],
        Kind.SIGN_IN,
        subject=gettext_lazy("Somebody tries wrong passwords for your account"),
        text=text,
        url=reverse("account"),
    )


def one_line(text: str) -> str:
    """Text without line breaks, which in a subject could inject mail headers."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def mark_read(user: User, notice: Notice | None = None) -> None:
    """Mark one notice of a person as read, or all."""
    unread = Notice.objects.unread(user)
    (unread.filter(pk=notice.pk) if notice else unread).update(read_at=timezone.now())


def mail_preferences(user: User) -> dict[Kind, bool]:
    """E-mail preference of a person by kind."""
    said = dict(Wish.objects.filter(user=user).values_list("kind", "by_mail"))
    return {kind: said.get(kind, kind in MAILED) for kind in Kind}


@transaction.atomic
def set_mail_preferences(user: User, by_mail: Collection[str]) -> None:
    """Set the kinds that are sent to a person by e-mail."""
    for kind in Kind:
        Wish.objects.update_or_create(user=user, kind=kind, defaults={"by_mail": kind in by_mail})
