"""The world that the table's addresses are about."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from collabs.models import Collab
from lab.servers import services as lab_services
from lab.tests.inprocess import InProcessLauncher, register
from portal.accounts import oidc_signing_keys
from portal.models import User

from .people import World, build


@pytest.fixture(scope="session")
def key_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("signing-keys")
    oidc_signing_keys.create(directory)
    return directory


@pytest.fixture
def world(
    collab: Collab,
    public_collab: Collab,
    person: Callable[..., User],
    stranger: User,
    operator: User,
    settings: Settings,
    key_directory: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """One of everything, and a browser for each kind of person."""
    settings.DRIVE_USE_ACCEL = False
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 86_400  # a busy machine walks for longer than the usual five minutes
    settings.IDENTITY_KEYS = key_directory
    settings.IDP_OIDC_PRIVATE_KEYS = oidc_signing_keys.load(key_directory)
    monkeypatch.setattr(logging.getLogger("django.request"), "disabled", True)  # refusals by the thousand
    monkeypatch.setattr(lab_services, "BRIEF_SECONDS", 0)
    for username in ("ingroup", "gone", "asker"):
        person(username)
    with register(InProcessLauncher(tmp_path / "servers")):
        yield build({user.username: user for user in User.objects.all()}, collab, public_collab)
