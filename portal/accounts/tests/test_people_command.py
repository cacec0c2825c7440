"""`bin/manage people`: accounts at the command line, by the services, with the audit trail."""

import csv
import io
import json
import re
import stat
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from pytest_django import Settings

from conftest import PASSWORD
from portal import audit
from portal.accounts import deletion
from portal.models import AuditEntry, User

HEAD = "username,email,first_name,last_name,active\n"


def people(*words: str) -> str:
    said = io.StringIO()
    call_command("people", *words, stdout=said)
    return said.getvalue()


def load(place: Path, text: str | bytes, *words: str) -> str:
    file = place / "people.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return people("import", str(file), *words)


def test_it_lists_people_for_people_and_for_programs(owner: User, operator: User, stranger: User) -> None:
    deletion.delete_account(stranger, {})
    listed = people("list")
    assert [line.split()[0] for line in listed.splitlines()] == ["username", "operator", "owner"]
    rows = json.loads(people("list", "--json"))
    assert [(row["username"], row["superuser"], row["active"]) for row in rows] == [
        ("operator", True, True),
        ("owner", False, True),
    ]
    assert [row["username"] for row in json.loads(people("list", "--json", "--operators"))] == ["operator"]
    assert json.loads(people("list", "--json", "owner@", "OWN"))[0]["username"] == "owner"
    assert json.loads(people("list", "--json", "nobody-at-all")) == []


def test_a_name_moves_nothing_on_the_terminal(owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(first_name="\x1b[2JAda\nroot")
    assert "\x1b" not in people("list")
    assert len(people("list").splitlines()) == 2


def test_it_makes_an_account_whose_person_sets_the_password(db: None, settings: Settings) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    said = people("create", "Grace", "--email", "Grace@example.org", "--first-name", "Grace")
    assert "Forgot your password?" in said
    user = User.objects.get()
    assert (user.username, user.email, user.has_usable_password()) == ("grace", "grace@example.org", False)
    assert user.libraries.count() == 1
    entry = audit.trail(user).get(verb="account.created")
    assert (entry.actor, entry.actor_name) == (None, "command line")
    browser = Client()
    browser.post("/account/password/reset/", {"email": "grace@example.org"})
    link = re.search(r"http://localhost:8000(/account/password/reset/key/\S+)", str(mail.outbox[0].body))
    assert link
    form = browser.get(link[1], follow=True).redirect_chain[-1][0]
    browser.post(form, {"password1": PASSWORD, "password2": PASSWORD})
    browser.post("/account/login/", {"login": "grace", "password": PASSWORD})
    assert browser.get("/account/").status_code == 200


def test_it_prints_a_password_once_and_keeps_it_nowhere(db: None) -> None:
    said = people("create", "grace", "--email", "grace@example.org", "--password")
    found = re.search(r"Its password: (\S+)", said)
    assert found
    assert User.objects.get().check_password(found[1])
    assert found[1] not in str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize(
    ("name", "email", "why"),
    [
        ("www", "w@example.org", "username: This username is reserved"),
        ("a b", "w@example.org", "username: Use lower-case"),
        ("owner", "w@example.org", "username: This username is taken"),
        ("new", "OWNER@example.org", "email: owner@example.org is the address of another account"),
        ("new", "no address", "email: Enter a valid email"),
        ("new", "", "email: An account needs"),
    ],
)
def test_it_refuses_what_sign_up_refuses(owner: User, name: str, email: str, why: str) -> None:
    EmailAddress.objects.create(user=owner, email="owner@example.org", verified=True, primary=True)
    with pytest.raises(CommandError, match=why) as refused:
        people("create", name, "--email", email)
    assert refused.value.returncode == 1
    assert User.objects.count() == 1


def test_several_are_all_or_none(owner: User, editor: User) -> None:
    with pytest.raises(CommandError, match="no account “nobody”, “noone”"):
        people("deactivate", "owner", "nobody", "editor", "noone")
    owner.refresh_from_db()
    assert owner.is_active
    assert people("deactivate", "owner", "OWNER", "editor").splitlines() == [
        "editor: deactivated.",
        "owner: deactivated.",
    ]
    assert people("deactivate", "owner").strip() == "owner: nothing to do."
    assert people("reactivate", "owner").strip() == "owner: active again."
    assert {row.actor_name for row in audit.trail(owner)} >= {"command line"}


def test_it_keeps_the_last_superuser(operator: User, owner: User) -> None:
    with pytest.raises(CommandError, match="only active superuser"):
        people("deactivate", "owner", "operator")
    owner.refresh_from_db()
    assert owner.is_active, "nothing of it"


def test_it_gives_back_what_is_lost(owner: User) -> None:
    TOTP.activate(owner, generate_totp_secret())
    assert "without a second factor" in people("forget-second-factor", "owner")
    assert "nothing to do" in people("forget-second-factor", "owner")
    found = re.search(r"of owner: (\S+)", people("new-password", "owner"))
    owner.refresh_from_db()
    assert found
    assert owner.check_password(found[1])


# CSV


def test_what_it_exports_it_takes(owner: User, operator: User, tmp_path: Path) -> None:
    User.objects.filter(pk=owner.pk).update(first_name='=HYPERLINK("x")', last_name="Ünal, “A”\nB", is_active=False)
    file = tmp_path / "people.csv"
    assert "2 accounts" in people("export", "--output", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    rows = list(csv.DictReader(file.open(newline="")))
    assert [row["username"] for row in rows] == ["operator", "owner"]
    assert rows[1]["first_name"].startswith("'="), "a spreadsheet calculates nothing"
    assert people("export") == file.read_text()
    with pytest.raises(CommandError, match="exists"):
        people("export", "--output", str(file))
    said = load(tmp_path, file.read_bytes())
    assert said.strip() == "2 accounts as they were: operator, owner"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_it_takes_what_spreadsheets_write(db: None, tmp_path: Path, mark: str, between: str, end: str) -> None:
    lines = ["Username ,EMAIL,last_name,active", "Ada,Ada@example.org,Lovelace,", "", "ben,ben@example.org,,No"]
    text = mark + end.join(lines).replace(",", between) + end
    assert "2 accounts made: ada, ben" in load(tmp_path, text)
    assert list(User.objects.order_by("username").values_list("username", "email", "last_name", "is_active")) == [
        ("ada", "ada@example.org", "Lovelace", True),
        ("ben", "ben@example.org", "", False),
    ]
    assert EmailAddress.objects.filter(verified=True, primary=True).count() == 2


def test_it_says_what_it_would_do_and_does_nothing(owner: User, tmp_path: Path) -> None:
    before = AuditEntry.objects.count()
    said = load(
        tmp_path, f"{HEAD}grace,grace@example.org,Grace,,\nowner,owner@example.org,New,,\n", "--dry-run", "--update"
    )
    assert "Nothing was done" in said
    assert "1 account made: grace" in said
    assert "1 account changed: owner" in said
    assert list(User.objects.values_list("username", "first_name")) == [("owner", owner.first_name)]
    assert AuditEntry.objects.count() == before


WRONG = f"""{HEAD}good,good@example.org,,,
www,www@example.org,,,
good,again@example.org,,,
x,good@example.org,,,
y,y@example.org,,,perhaps
z,nothing,,,
,,Nameless,,
owner,other@example.org,,,
"""


def test_it_names_every_wrong_line_and_makes_nobody(owner: User, tmp_path: Path) -> None:
    with pytest.raises(CommandError) as refused:
        load(tmp_path, WRONG)
    said = str(refused.value).splitlines()
    assert [re.findall(r"^line (\d)", line) for line in said] == [["3"], ["4"], ["5"], ["6"], ["7"], ["8"], ["9"], []]
    assert said[-1] == "Nothing was imported."
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "username\nada\n",
        "username,email,role\nada,ada@example.org,x\n",
        "username,email,email\nada,ada@example.org,x\n",
        "username,email\nada\n",
        "username,email\nada,ada@example.org,more\n",
        'username,email\nada,"ada@example.org\n',
        'username,email\nada,"a"b\n',
        b"username,email\nada,a\x00da@example.org\n",
        "username,email\nadä,ä@example.org\n".encode("latin-1"),
    ],
)
def test_it_refuses_what_is_no_such_file(db: None, tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(CommandError):
        load(tmp_path, text)
    assert not User.objects.exists()


def test_it_changes_accounts_only_when_told(owner: User, operator: User, tmp_path: Path) -> None:
    text = f"{HEAD}owner,new@example.org,Olivia,Owner,no\n"
    with pytest.raises(CommandError, match=r"another email, first_name, (last_name, )?active \(see --update\)"):
        load(tmp_path, text)
    assert "1 account changed: owner" in load(tmp_path, text, "--update")
    owner.refresh_from_db()
    assert (owner.email, owner.first_name, owner.is_active) == ("new@example.org", "Olivia", False)
    assert EmailAddress.objects.get(user=owner, primary=True).email == "new@example.org"
    assert "as they were" in load(tmp_path, text, "--update")
    with pytest.raises(CommandError, match="only active superuser"):
        load(tmp_path, f"{HEAD}operator,operator@example.org,,,no\n", "--update")


def test_it_gives_no_deleted_persons_name_out_again(stranger: User, tmp_path: Path) -> None:
    deletion.delete_account(stranger, {})
    for words in ([], ["--update"]):
        with pytest.raises(CommandError, match="deleted by its person"):
            load(tmp_path, f"{HEAD}stranger,new@example.org,,,yes\n", *words)
    with pytest.raises(CommandError, match="no account “stranger”"):
        people("reactivate", "stranger")


def test_a_file_that_is_not_there_is_a_sentence(db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        people("import", str(tmp_path / "none.csv"))
