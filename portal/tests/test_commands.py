"""The command line as a whole: every command is documented, and leaves word of who did it."""

import argparse
import io
import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command, find_commands, load_command_class

from portal import audit
from portal.command_line import SubcommandsCommand
from portal.models import AuditEntry, User

PAGE = settings.BASE_DIR / "docs/reference/commands.md"
OURS = [
    (config.label, name)
    for config in apps.get_app_configs()
    if settings.BASE_DIR in Path(config.path).parents and "site-packages" not in config.path
    for name in find_commands(f"{config.path}/management")
    if name != "migrate"
]


def subcommands(app: str, name: str) -> list[str]:
    """Words of a command that has subcommands, each with it."""
    command = load_command_class(f"{app}", name)
    parser = command.create_parser("manage.py", name)
    choices = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [f"{name} {word}" for words in choices for word in words]


@pytest.mark.parametrize(("app", "name"), OURS)
def test_the_page_names_every_command(app: str, name: str) -> None:
    text = PAGE.read_text()
    missing = [words for words in (subcommands(app, name) or [name]) if f"bin/manage {words}" not in text]
    assert missing == []


def test_there_are_commands_for_what_operators_run() -> None:
    names = {name for app, name in OURS if isinstance(load_command_class(app, name), SubcommandsCommand)}
    assert names == {"people", "groups", "collabs", "quotas", "servers", "tokens", "personal_data", "templates"}


def test_what_no_account_did_elsewhere_is_the_sites(owner: User) -> None:
    with audit.at_the_command_line():
        audit.record(None, "account.activated", owner)
        audit.record(owner, "account.activated", owner)
    audit.record(None, "account.activated", owner)
    names = AuditEntry.objects.filter(verb="account.activated").order_by("pk").values_list("actor_name", flat=True)
    assert list(names) == ["command line", "owner", "system"]


def test_a_command_without_a_broker_does_not_wait_for_it(owner: User, queue: object) -> None:
    queue.up = False  # type: ignore[attr-defined]
    call_command("people", "deactivate", "owner", stdout=io.StringIO())
    owner.refresh_from_db()
    assert not owner.is_active


@pytest.mark.slow
@pytest.mark.parametrize(("words", "code"), [(["people"], 2), (["people", "no-such"], 2), (["people", "import"], 2)])
def test_what_is_not_understood_ends_with_2(words: list[str], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=settings.BASE_DIR, capture_output=True, check=False
    )
    assert done.returncode == code
    assert b"usage:" in done.stderr
