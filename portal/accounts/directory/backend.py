"""What Django asks when somebody signs in with a name and a password that is not one of this site."""

import logging
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from portal.models import DirectoryAccount, User

from . import accounts
from .client import Directory, DirectoryAwayError
from .settings import of_site

log = logging.getLogger(__name__)

AWAY = gettext_lazy("The directory that knows your password does not answer. Please try again in a few minutes.")


class DirectoryBackend(ModelBackend):
    """Passwords of the directory. Sessions end with `is_active`, as everywhere."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **credentials: Any
    ) -> User | None:
        """The person's account, made at the first sign-in. ValidationError if the directory does not answer."""
        name = (username or credentials.get("email") or "").strip()
        if not name or not password or "\0" in name + password:
            return None
        try:
            return _sign_in(Directory(of_site()), name, password)
        except DirectoryAwayError as error:
            log.error("sign-in with the directory: %s", error)  # noqa: TRY400 - no traceback, which has the password
            raise ValidationError(AWAY, code="directory_away") from None


def _sign_in(directory: Directory, name: str, password: str) -> User | None:
    """The person by their name in the directory, or by the one that they have here."""
    there = directory.find(name)
    here = DirectoryAccount.objects.filter(user__username=name.lower()).values_list("uid", flat=True)
    # Each once: the directory counts wrong passwords, too, and may close an account after some.
    others = (directory.by_uid(uid) for uid in here if there is None or uid != there.uid)
    for entry in (there, *others):
        if entry and directory.is_password(entry, password):
            return accounts.signed_in(entry, directory.groups_of(entry))
    return None
