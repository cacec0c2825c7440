"""The kinds of people that the table knows, and one of everything that its addresses name."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Client as Service
from allauth.idp.oidc.models import Token as ServiceToken
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group as DjangoGroup
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.http.response import HttpResponseBase
from django.test import Client
from django.utils import timezone

from api.models import Scope
from api.services import create_token
from collabs import invitations, join_requests
from collabs import services as collab_services
from collabs.models import Collab, Role
from conftest import PASSWORD
from console.models import Announcement, FailedTask
from drive.files import operations
from drive.libraries import public_links, upload_links
from drive.libraries import services as drive_services
from drive.models import File, Permission, Quota, Version
from drive.storage import layout
from drive.uploads import by_link, tus
from groups import services as group_services
from lab.models import Build, Environment, GroupLimits, Pause, Pull, Server
from notices.models import Kind, Notice
from notices.services import notify
from portal.accounts.services import deactivate
from portal.models import User
from rooms.models import Room

KINDS = ("anonymous", "stranger", "viewer", "editor", "administrator", "group", "deactivated", "operator")
"""In the order of the table's columns. `group`: whose only way into the Collabs is a group, as viewer."""
USERNAMES = {"administrator": "owner", "group": "ingroup", "deactivated": "gone"}
"""Usernames by kind of person; for others the kind is the username."""


@dataclass
class World:
    """Values for the braces in the table, and a browser of each kind of person."""

    names: dict[str, Any]
    cookies: dict[str, str] = field(default_factory=dict)

    def browser(self, kind: str, *, csrf: bool = False) -> Client:
        """A new browser, in which this kind of person is signed in."""
        cache.clear()  # rate limits, and what was remembered of rows that were rolled back
        client = Client(enforce_csrf_checks=csrf)
        for name, value in (part.split("=", 1) for part in self.cookies.get(kind, "").split("; ") if part):
            client.cookies[name] = value
        return client

    def sign_in(self, kind: str) -> None:
        """As people do, on the pages, with the password typed once more for what asks for it."""
        client = Client()
        answer = client.post("/account/login/", {"login": USERNAMES.get(kind, kind), "password": PASSWORD})
        assert answer.status_code == 302, kind
        client.post("/account/reauthenticate/", {"password": PASSWORD})
        self.cookies[kind] = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())


def build(people: dict[str, User], cortex: Collab, open_cortex: Collab) -> World:
    """One of everything. `people` are by their usernames: those of conftest.py, `ingroup`, `gone`, `asker`."""
    owner, stranger, viewer = people["owner"], people["stranger"], people["viewer"]
    visited = collab_services.create_collab(owner, title="Visited", is_public=True)
    collab_services.update_collab(owner, visited, title="Visited", description="", is_public=True, visitors_read=True)
    institute = group_services.create_group(owner, name="Institute")
    inner = group_services.create_group(owner, name="Inner")
    group_services.create_group(owner, name="Outer")
    group_services.nest(owner, institute, inner)
    group_services.add_person(owner, institute, people["ingroup"])
    for place in (cortex, open_cortex):
        collab_services.give_group_role(owner, place, institute, Role.VIEWER)
    collab_services.delete_collab(owner, collab_services.create_collab(owner, title="Gone"))

    own = drive_services.create_library(owner, "Own")
    share = drive_services.share_with_person(owner, own, viewer, Permission.READ)
    deleted = drive_services.create_library(owner, "Deleted")
    drive_services.delete_library(owner, deleted)
    for library in (cortex.library, open_cortex.library, visited.library, own):
        reset_files(str(library.pk))
    link = public_links.make_link(owner, own, "")
    upload_link = upload_links.make_link(owner, own, "sent", title="Homework", max_bytes=10**6)
    sent = by_link.begin(upload_link, "sent.txt", "", 5)
    operations.write(owner, cortex.library, "a.txt", b"newer")
    upload = tus.create(owner, cortex.library, "up.txt", 5)

    request = join_requests.ask(people["asker"], open_cortex, "Please.")
    invitation, token = invitations.invite_by_link(owner, cortex, Role.VIEWER, uses=100)
    EmailAddress.objects.create(user=stranger, email=stranger.email, verified=True, primary=True)
    mailed = invitations.invite_by_mail(owner, cortex, stranger.email, Role.VIEWER)
    notify([owner], Kind.ROLE, subject="You are administrator", url="/collabs/cortex/")

    environment = Environment.objects.create(slug="base", name="Base", prefix="/base", is_default=True)
    now = timezone.now()
    stopped = {"state": "stopped", "stopping_at": now, "changed_at": now, "stop_reason": "asked"}
    server = Server.objects.create(owner=owner, environment=environment, **stopped)
    fetched = {"repo": "https://example.org/a/course", "folder": "course"}
    pull = Pull.objects.create(user=owner, library=own, state="failed", error="It failed.", **fetched)
    api_token, _secret = create_token(owner, name="Script", scopes=[Scope.READ], days=1)
    service = Service.objects.create(name="Hub", id="hub", redirect_uris="https://hub.example.org/back")
    held = ServiceToken(user=owner, client=service, type=ServiceToken.Type.REFRESH_TOKEN, hash="x")
    held.save()
    key = Authenticator.objects.create(user=people["asker"], type="webauthn", data={"name": "Key"})

    Pause.objects.create(text="New disks.", starts_at=now - timedelta(days=2), ends_at=now - timedelta(days=1))
    Build.objects.create(environment=environment, packages="x", state="failed")
    GroupLimits.objects.create(group=inner, life_hours=100)
    DjangoGroup.objects.create(name="staff")
    Quota.objects.create(user=viewer, max_files=10)

    Room.objects.create(file=File.objects.earliest("pk"), kind="text:file")

    Announcement.objects.create(text="Closed on Monday.", ends_at=now + timedelta(days=1))
    FailedTask.objects.create(task_id="1", name="lab.tasks.launch", error="x")

    world = World(
        {
            "lib": cortex.library.pk,
            "open_lib": open_cortex.library.pk,
            "own": own.pk,
            "deleted": deleted.pk,
            "share": share.pk,
            "link": link.pk,
            "link_token": public_links.token(link),
            "upload_link": upload_link.pk,
            "upload_token": upload_links.token(upload_link),
            "sent": sent.id,
            "upload": upload.id,
            "request": request.pk,
            "invitation": invitation.pk,
            "mailed": mailed.pk,
            "token": token,
            "notice": Notice.objects.filter(user=owner).latest("pk").pk,
            "server": server.pk,
            "pull": pull.pk,
            "api_token": api_token.pk,
            "service": service.pk,
            "key": key.pk,
            "version": Version.objects.latest("pk").pk,
        }
    )
    for kind in KINDS[1:]:
        world.sign_in(kind)
    world.names |= {"user": stranger.pk, "user_type": ContentType.objects.get_for_model(User).pk}
    for model in admin.site._registry:
        first = model._base_manager.order_by("pk").first()
        assert first, f"make a {model._meta.label_lower} in people.py, for the pages of this model"
        world.names[model._meta.label_lower.replace(".", "_")] = first.pk
    world.names["session"] = UserSession.objects.get(user=owner).pk
    deactivate(people["operator"], people["gone"])
    return world


def reset_files(library_id: str) -> None:
    """Rows are rolled back after each request, the disk is not."""
    place = layout.find(library_id)  # type: ignore[arg-type]
    for path in place.iterdir():
        path.rmdir() if path.is_dir() else path.unlink()
    (place / "sent").mkdir()
    (place / "a.txt").write_bytes(b"a")
    (place / "README.md").write_bytes(b"# Hello\n")


def signed_in(username: str = "owner", password: str = PASSWORD) -> Client:
    """A browser in which the person has just typed the password."""
    client = Client()
    assert client.post("/account/login/", {"login": username, "password": password}).status_code == 302
    return client


def says(answer: HttpResponseBase) -> str:
    """`200`; or `in`, where somebody is led to the sign-in page."""
    target = answer.headers.get("Location", "")
    return "in" if answer.status_code == 302 and target.startswith("/account/login/") else str(answer.status_code)
