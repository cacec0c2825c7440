"""The operators' list of tokens: found by state and scope, revoked with a report."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.asserts import assertContains

from api import services
from api.models import Scope, Token
from portal.accounts.services import deactivate
from portal.models import User

LIST = reverse("admin:api_token_changelist")


@pytest.fixture
def desk(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture
def tokens(owner: User, editor: User) -> None:
    """One that works, one that is used, one that has expired, one that was revoked, one of somebody deactivated."""
    for name, scopes in (("fresh", [Scope.READ]), ("used", [Scope.READ, Scope.LAB]), ("old", [Scope.WRITE])):
        services.create_token(owner, name=name, scopes=scopes, days=1)
    used, old = Token.objects.get(name="used"), Token.objects.get(name="old")
    services.note_use(used)
    Token.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(days=1))
    revoked, _secret = services.create_token(owner, name="revoked", scopes=[Scope.LAB], days=1)
    services.revoke_token(owner, revoked)
    services.create_token(editor, name="gone", scopes=[Scope.READ], days=1)
    deactivate(None, editor)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("state=usable", {"fresh", "used"}),
        ("state=expired", {"old"}),
        ("state=revoked", {"revoked", "gone"}),
        ("state=nonsense", {"fresh", "used", "old", "revoked", "gone"}),
        ("scope=lab", {"used", "revoked"}),
        ("scope=read&state=usable", {"fresh", "used"}),
        ("scope=%25", {"fresh", "used", "old", "revoked", "gone"}),
        ("last_used_at__isempty=0", {"used"}),
        ("q=editor", {"gone"}),
    ],
)
def test_it_finds_tokens(desk: Client, tokens: None, query: str, names: set[str]) -> None:
    page = desk.get(f"{LIST}?{query}")
    assert page.status_code == 200
    assert {token.name for token in page.context["cl"].result_list} == names


def test_it_says_which_it_revoked(desk: Client, tokens: None) -> None:
    chosen = Token.objects.filter(name__in=["fresh", "revoked"]).values_list("pk", flat=True)
    page = desk.post(LIST, {"action": "revoke", "_selected_action": list(chosen)}, follow=True)
    assertContains(page, "Revoked: 1 token (fresh (")
    assertContains(page, "Nothing to do for 1 token (revoked (")
    assert not Token.objects.usable().filter(name="fresh").exists()
