"""The keys that sign: made, changed, watched over."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from django.test import Client
from pytest_django import Settings

from identity import checks
from portal.accounts import oidc_signing_keys


@pytest.mark.slow
def test_it_makes_a_key_for_its_owner_alone(tmp_path: Path) -> None:
    path = oidc_signing_keys.create(tmp_path / "keys")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_it_signs_with_the_last_and_publishes_all(tmp_path: Path) -> None:
    (tmp_path / "b.pem").write_text("younger")
    (tmp_path / "a.pem").write_text("older")
    loaded = oidc_signing_keys.load(tmp_path)
    assert [key["pem"] for key in loaded] == ["older", "younger"]
    assert loaded[0]["issued_at"] < loaded[1]["issued_at"]
    assert oidc_signing_keys.load(tmp_path / "nowhere") == []


@pytest.mark.django_db
def test_it_publishes_no_private_part(client: Client) -> None:
    [key] = client.get("/.well-known/jwks.json").json()["keys"]
    assert not set(key) & {"d", "p", "q", "dp", "dq", "qi"}, "parts of the private key (RFC 7518, 6.3.2)"


@pytest.mark.django_db
def test_it_reads_a_key_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may ask for the keys; to read one takes a tenth of a second of the processor."""
    first = client.get("/.well-known/jwks.json").json()
    monkeypatch.setattr(serialization, "load_pem_private_key", None)
    assert client.get("/.well-known/jwks.json").json() == first


@pytest.mark.slow
def test_it_says_what_is_wrong(settings: Settings, tmp_path: Path) -> None:
    settings.IDENTITY_KEYS = tmp_path
    path = oidc_signing_keys.create(tmp_path)
    assert checks.keys_are_private() == []
    path.chmod(0o640)
    assert [found.id for found in checks.keys_are_private()] == ["identity.E001"]
    settings.IDP_OIDC_PRIVATE_KEYS = []
    assert [found.id for found in checks.there_is_a_key()] == ["identity.E002"]
