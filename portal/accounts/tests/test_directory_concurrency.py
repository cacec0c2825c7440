"""A person of the directory who signs in twice at once, each on a database connection of its own, commits included."""

from functools import partial

import pytest
from allauth.account.models import EmailAddress

from collabs.tests.support import at_once
from portal.accounts.directory import accounts
from portal.accounts.directory.entry import Entry
from portal.models import DirectoryAccount, User

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 6


@pytest.mark.slow
def test_two_first_sign_ins_of_one_person_lead_into_one_account(settings: object) -> None:
    settings.LDAP = type("Directory", (), {"groups": ""})()  # type: ignore[attr-defined]
    for number in range(ROUNDS):
        name = f"ada{number}"
        entry = Entry(f"uid={name},dc=example", f"id-{number}", name, f"{name}@example.org", "Ada", "Byron")
        results = at_once(*[partial(accounts.signed_in, entry, [])] * 4)
        [account] = DirectoryAccount.objects.filter(uid=entry.uid)
        assert results == [account.user] * 4
        assert User.objects.filter(username__startswith=name).count() == 1
        assert EmailAddress.objects.filter(email=entry.email).count() == 1
