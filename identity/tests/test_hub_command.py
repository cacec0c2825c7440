"""`manage.py hub`: the two files, and the service that they belong to."""

from pathlib import Path

import pytest
from allauth.idp.oidc.models import Client
from django.core.management import CommandError, call_command

from portal.models import AuditEntry

pytestmark = pytest.mark.django_db

ADDRESS = "https://hub.example.org"


def read(path: Path) -> dict[str, str]:
    assert path.stat().st_mode & 0o777 == 0o600
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def test_it_writes_what_each_is_told_of_the_other(tmp_path: Path) -> None:
    call_command("hub", f"{ADDRESS}/", directory=tmp_path)
    portal, hub = read(tmp_path / "portal.env"), read(tmp_path / "hub.env")
    assert (portal["LAB_LAUNCHER"], portal["LAB_HUB_URL"], hub["HUB_URL"]) == ("jupyterhub", ADDRESS, ADDRESS)
    assert (portal["LAB_HUB_TOKEN"], portal["LAB_HUB_SECRET"]) == (
        hub["COLLABORATORY_HUB_TOKEN"],
        hub["COLLABORATORY_HUB_SECRET"],
    )
    client = Client.objects.get(pk=hub["COLLABORATORY_CLIENT_ID"])
    assert client.check_secret(hub["COLLABORATORY_CLIENT_SECRET"])
    assert client.get_redirect_uris() == [f"{ADDRESS}/hub/oauth_callback"]
    assert set(client.get_scopes()) == {"openid", "profile"}
    assert AuditEntry.objects.get(verb="identity.client.created").target_id == str(client.pk)


def test_it_overwrites_nothing_and_renews_the_same_service(tmp_path: Path) -> None:
    call_command("hub", ADDRESS, directory=tmp_path)
    first = read(tmp_path / "hub.env")
    with pytest.raises(CommandError, match="already"):
        call_command("hub", ADDRESS, directory=tmp_path)
    for name in ("portal.env", "hub.env"):
        (tmp_path / name).unlink()
    call_command("hub", ADDRESS, directory=tmp_path)
    second = read(tmp_path / "hub.env")
    assert first["COLLABORATORY_CLIENT_ID"] == second["COLLABORATORY_CLIENT_ID"]
    client = Client.objects.get()
    assert not client.check_secret(first["COLLABORATORY_CLIENT_SECRET"])
    assert client.check_secret(second["COLLABORATORY_CLIENT_SECRET"])


@pytest.mark.parametrize("address", ["http://hub.example.org", "hub.example.org"])
def test_it_refuses_an_address_that_secrets_must_not_go_to(tmp_path: Path, address: str) -> None:
    with pytest.raises(CommandError):
        call_command("hub", address, directory=tmp_path)
    assert not list(tmp_path.glob("*.env"))
    assert not Client.objects.exists()
