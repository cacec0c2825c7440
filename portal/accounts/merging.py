"""Two accounts of one person become one: what one of them has goes to the other, and it is deactivated.

What is in other apps is handed over by the hooks `accounts_merged`, which say what they did, in English, for operators.
"""

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core.exceptions import ValidationError
from django.db import transaction

from portal import audit, hooks
from portal.models import DirectoryAccount, User

from . import services


@transaction.atomic
def merge(actor: User | None, source: User, target: User, *, even_deactivated: bool = False) -> list[str]:
    """Hand over all that `source` has, and deactivate it; returns what was done. ValidationError, and nothing is done.

    Tokens and sessions of `source` end as with any account that is deactivated; while it has a Lab, it is refused. Its
    password, passkeys and second factor are not handed over: those of `target` stay as they are. With
    `even_deactivated`, what was closed to a deactivated `source` opens to `target`.
    """
    rows = User.objects.select_for_update().filter(pk__in=[source.pk, target.pk])
    people = {user.pk: user for user in rows.order_by("pk")}  # in this order, or two merges would wait for each other
    if len(people) != 2:
        raise ValidationError("These are not two accounts.")
    source, target = people[source.pk], people[target.pk]
    if not target.is_active:
        raise ValidationError(f"{target.username} is deactivated: reactivate it first, or merge the other way round.")
    if source.deleted_at:
        raise ValidationError(f"{source.username} was deleted by its person.")
    if not source.is_active and not even_deactivated:
        raise ValidationError(
            f"{source.username} is deactivated: {target.username} would get what was closed to it, sign-in with its"
            " provider too. If that is meant: --deactivated"
        )
    found = hooks.collect("accounts_merged", actor=actor, source=source, target=target)
    done = [line for lines in found for line in lines] + _hand_over_sign_in(source, target)
    if services.deactivate(actor, source):
        done.append(f"{source.username} is deactivated: its sessions and tokens end")
    audit.record(actor, "account.merged", target, user=source.username)
    return done


def _hand_over_sign_in(source: User, target: User) -> list[str]:
    """Accounts at providers, the place in the directory, and confirmed addresses."""
    elsewhere = SocialAccount.objects.filter(user=source)
    done = [f"sign-in with {provider}" for provider in elsewhere.values_list("provider", flat=True)]
    elsewhere.update(user=target)
    if not DirectoryAccount.objects.filter(user=target).exists():
        done += ["sign-in with the directory"] * DirectoryAccount.objects.filter(user=source).update(user=target)
    own = EmailAddress.objects.filter(user=target).values_list("email", flat=True)
    addresses = EmailAddress.objects.filter(user=source, verified=True).exclude(email__in=list(own))
    done += [f"address {email}" for email in addresses.values_list("email", flat=True)]
    addresses.update(user=target, primary=False)
    EmailAddress.objects.filter(user=source).delete()
    User.objects.filter(pk=source.pk).update(email="")
    return done
