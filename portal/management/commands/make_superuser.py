"""`manage.py make_superuser NAME`: the way back into a site that nobody can administer (any more)."""

import secrets
from argparse import ArgumentParser
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from portal.accounts import services, superusers
from portal.command_line import change
from portal.models import User


class Command(BaseCommand):
    """Activates an account, gives it all rights and, where it has none or on request, a new password."""

    help = "Make an account an active superuser who can sign in: the way back when nobody can administer the site."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", metavar="NAME")
        parser.add_argument("--create", action="store_true", help="make the account, if there is none of this name")
        parser.add_argument("--email", default="", help="its address, if it is new or has none that is confirmed")
        parser.add_argument("--new-password", action="store_true", help="give it a new password, and print that once")
        parser.add_argument("--forget-second-factor", action="store_true", help="remove a second factor that is lost")

    def handle(self, *_: Any, **options: Any) -> None:
        name = options["username"].strip().lower()
        with change():
            user = User.objects.filter(username=name).first()
            lines = _restore(user, options) if user else _create(name, options)
        for line in lines:
            self.stdout.write(line)
        self.stdout.write(f"Sign in as {name} at {settings.PORTAL_URL}/account/login/?next=/admin/")


def _create(name: str, options: dict[str, Any]) -> list[str]:
    if not options["create"]:
        raise CommandError(f"There is no account “{name}”. With --create it is made.")
    email, password = options["email"] or f"{name}@localhost", _new_password()
    User(username=name, email=email).full_clean(exclude=["password"])
    if EmailAddress.objects.filter(email__iexact=email, verified=True).exists():
        raise ValidationError(f"{email} is the address of another account.")
    superusers.create(name, email, password)
    return [f"Made the account “{name}”, a superuser.", f"Its password: {password}"]


def _restore(user: User, options: dict[str, Any]) -> list[str]:
    """What was done to an account that is there, a sentence each."""
    if user.deleted_at:
        raise CommandError(f"The account “{user.username}” was deleted by its person, and stays so. Take another name.")
    done = []
    if not user.is_active:
        services.activate(None, user)
        done.append(f"{user.username} is active again.")
    if superusers.change_rights(None, user, is_staff=True, is_superuser=True):
        done.append(f"{user.username} is a superuser now.")
    if not EmailAddress.objects.filter(user=user, verified=True).exists():
        superusers.confirm_address(user, options["email"] or user.email or f"{user.username}@localhost")
        done.append(f"The address {user.email} counts as confirmed.")
    if options["forget_second_factor"] and services.forget_second_factor(None, user):
        done.append("The second factor is removed.")
    if options["new_password"] or not user.has_usable_password():
        password = _new_password()
        services.set_password(None, user, password)
        done.append(f"The new password: {password}")
    return done or [f"{user.username} is an active superuser already; the password is as it was."]


def _new_password() -> str:
    return secrets.token_urlsafe(12)
