"""`bin/manage tokens`."""

import io
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from api.models import Scope, Token
from api.services import create_token
from portal import audit
from portal.models import User


def tokens(*words: str) -> str:
    said = io.StringIO()
    call_command("tokens", *words, stdout=said)
    return said.getvalue()


def test_it_lists_and_revokes_tokens(owner: User, editor: User) -> None:
    (one, secret), (two, _) = (create_token(owner, name=name, scopes=[Scope.READ], days=1) for name in ("one", "two"))
    other, _ = create_token(editor, name="three", scopes=[Scope.READ], days=1)
    rows = json.loads(tokens("list", "--json", "--person", "owner"))
    assert {(row["id"], row["name"], row["person"]) for row in rows} == {
        (one.pk, "one", "owner"),
        (two.pk, "two", "owner"),
    }
    assert secret not in tokens("list", "--json", "--all")
    assert "1 token" in tokens("revoke", str(one.pk))
    assert audit.trail(owner).get(verb="account.token.revoked").actor_name == "command line"
    assert "1 token" in tokens("revoke", "--person", "owner")
    assert "0 tokens" in tokens("revoke", str(one.pk))
    assert list(Token.objects.usable()) == [other]
    assert len(json.loads(tokens("list", "--json", "--all"))) == 3


def test_it_revokes_all_that_are_named_or_none(owner: User) -> None:
    token, _ = create_token(owner, name="one", scopes=[Scope.READ], days=1)
    for words in ([str(token.pk), "999999"], [], [str(token.pk), "--person", "owner"], ["--person", "nobody"]):
        with pytest.raises(CommandError):
            tokens("revoke", *words)
    assert Token.objects.usable().count() == 1
