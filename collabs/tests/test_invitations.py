"""Invitations by mail and by link, requests to join, handing over: as each kind of person, and as who guesses."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from collabs import invitations, join_requests, services, tasks
from collabs.models import Collab, Invitation, JoinRequest, Role
from collabs.tests.support import at_once
from conftest import PASSWORD, Queue
from notices.models import Notice
from portal import audit
from portal.models import User

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture
def link(owner: User, collab: Collab) -> str:
    """The address of an invitation for two editors."""
    _invitation, token = invitations.invite_by_link(owner, collab, Role.EDITOR, uses=2)
    return Invitation.path(token)


def verified(user: User, email: str) -> User:
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


def deliver(queue: Queue) -> None:
    while queue:
        name, *arguments = queue.pop(0)
        if name == "collabs.tasks.mail_invitation":
            tasks.mail_invitation(*arguments)


# Links


def test_a_link_lets_in_as_often_as_it_says(
    sign_in: SignIn, link: str, collab: Collab, stranger: User, person: Callable[..., User]
) -> None:
    assert "join as <strong>editor</strong>" in sign_in(stranger).get(link).text
    assert collab.role_of(stranger) is None, "looking is not joining"
    for user in (stranger, person("second")):
        assert sign_in(user).post(link)["Location"] == "/collabs/cortex/"
        assert collab.role_of(user) == Role.EDITOR
    third = person("third")
    assert sign_in(third).get(link).status_code == 410
    assert "has been used" in sign_in(third).post(link, follow=True).text
    assert collab.role_of(third) is None


def test_a_link_leads_a_visitor_to_sign_up_and_back(link: str) -> None:
    page = Client().get(link)
    assert f"/account/signup/?next={link}" in page.text
    assert Client().post(link)["Location"].startswith("/account/login/")
    browser = Client()
    form = {"username": "newcomer", "email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD}
    signed_up = browser.post(f"/account/signup/?next={link}", form | {"next": link})
    assert signed_up["Location"] == link
    assert browser.post(link)["Location"] == "/collabs/cortex/"


def test_a_link_raises_a_role_but_never_lowers_it(
    sign_in: SignIn, owner: User, viewer: User, link: str, collab: Collab
) -> None:
    sign_in(owner).post(link)
    assert collab.role_of(owner) == Role.ADMINISTRATOR
    assert Invitation.objects.get().uses_left == 2, "what gives nothing uses nothing up"
    sign_in(viewer).post(link)
    assert collab.role_of(viewer) == Role.EDITOR
    sign_in(viewer).post(link)
    assert Invitation.objects.get().uses_left == 1


def test_a_link_ends_by_time_withdrawal_and_deletion(
    sign_in: SignIn, owner: User, stranger: User, collab: Collab, link: str
) -> None:
    browser = sign_in(stranger)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "has expired" in browser.post(link, follow=True).text
    Invitation.objects.update(expires_at=timezone.now() + timedelta(days=1))
    sign_in(owner).post(f"/collabs/cortex/team/invitations/{Invitation.objects.get().pk}/revoke/")
    assert "was withdrawn" in browser.post(link, follow=True).text
    Invitation.objects.update(revoked_at=None)
    services.delete_collab(owner, collab)
    assert browser.post(link).status_code == 404
    assert collab.role_of(stranger) is None


@pytest.mark.slow
def test_tokens_are_not_kept_and_not_guessed(sign_in: SignIn, stranger: User, link: str) -> None:
    token = link.split("/")[-2]
    row = Invitation.objects.values().get()
    assert token not in str(row)
    assert len(token) >= 43
    browser = sign_in(stranger)
    answers = [browser.get(f"/collabs/join/guess{number}/").status_code for number in range(40)]
    assert answers == [404] * 30 + [429] * 10
    cache.clear()
    assert browser.get(link).status_code == 200


def test_a_link_is_shown_once(sign_in: SignIn, owner: User, collab: Collab) -> None:
    browser = sign_in(owner)
    form = {"link-role": "viewer", "link-days": "7", "link-uses": "30"}
    page = browser.post("/collabs/cortex/team/invitations/link/", form)
    assert "/collabs/join/" in page.text
    assert "no-store" in page["Cache-Control"]
    assert "/collabs/join/" not in browser.get("/collabs/cortex/team/invitations/").text
    bad = browser.post("/collabs/cortex/team/invitations/link/", form | {"link-uses": "0"})
    assert bad.status_code == 422


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_people_cannot_both_have_the_last_use(owner: User, collab: Collab, person: Callable[..., User]) -> None:
    for number in range(5):
        invitation, _token = invitations.invite_by_link(owner, collab, Role.VIEWER)
        pair = [person(f"a{number}"), person(f"b{number}")]
        results = at_once(*(partial(invitations.accept, user, invitation) for user in pair))
        assert sorted(type(result).__name__ for result in results) == ["Collab", "UnusableInvitationError"]
        assert [collab.role_of(user) for user in pair].count(Role.VIEWER) == 1


# Mail


def test_a_mail_brings_somebody_without_an_account(
    sign_in: SignIn, owner: User, collab: Collab, person: Callable[..., User], queue: Queue
) -> None:
    form = {"mail-email": "New@Example.org", "mail-role": "editor", "mail-days": "14"}
    sign_in(owner).post("/collabs/cortex/team/invitations/mail/", form)
    deliver(queue)
    (sent,) = mail.outbox
    assert sent.to == ["new@example.org"]
    newcomer = person("newcomer", email="new@example.org")
    assert "invites you" not in sign_in(newcomer).get("/").text, "not before the address is proved"
    verified(newcomer, "new@example.org")
    home = sign_in(newcomer)
    assert "invites you as editor" in home.get("/").text
    home.post(f"/collabs/join/{Invitation.objects.get().pk}/answer/", {"answer": "accept"})
    assert collab.role_of(newcomer) == Role.EDITOR
    assert "invites you" not in home.get("/").text
    assert Notice.objects.filter(user=owner, subject__contains="accepted").exists()
    link = next(line for line in str(sent.body).splitlines() if line.startswith("http"))
    assert Client().get(link.removeprefix("http://localhost:8000")).status_code == 410


def test_a_mail_is_answered_by_its_owner_only(
    sign_in: SignIn, owner: User, collab: Collab, stranger: User, person: Callable[..., User], queue: Queue
) -> None:
    invited = verified(person("invited", email="in@example.org"), "in@example.org")
    invitation = invitations.invite_by_mail(owner, collab, "in@example.org", Role.ADMINISTRATOR)
    address = f"/collabs/join/{invitation.pk}/answer/"
    EmailAddress.objects.create(user=stranger, email="in@example.org", verified=False)
    assert sign_in(stranger).post(address, {"answer": "accept"}).status_code == 404
    assert sign_in(invited).post(address, {"answer": "decline"}).status_code == 302
    assert sign_in(invited).post(address, {"answer": "accept"}).status_code == 404
    assert collab.role_of(invited) is None


def test_a_second_mail_replaces_the_first(owner: User, collab: Collab, queue: Queue) -> None:
    first = invitations.invite_by_mail(owner, collab, "x@example.org", Role.VIEWER)
    invitations.invite_by_mail(owner, collab, "X@example.org", Role.EDITOR)
    first.refresh_from_db()
    assert first.why_closed == "This invitation was withdrawn."
    deliver(queue)
    assert len(mail.outbox) == 1


def test_a_mail_has_no_headers_of_others(owner: User, collab: Collab, queue: Queue) -> None:
    owner.first_name = "Olga\r\nBcc: victim@example.org"
    owner.save()
    invitations.invite_by_mail(owner, collab, "x@example.org", Role.VIEWER)
    with pytest.raises(ValidationError):
        invitations.invite_by_mail(owner, collab, "x@example.org\nBcc: victim@example.org", Role.VIEWER)
    deliver(queue)
    assert mail.outbox[0].recipients() == ["x@example.org"]
    assert "Bcc" not in mail.outbox[0].message()


# Requests


def test_somebody_asks_and_is_let_in(
    sign_in: SignIn, owner: User, stranger: User, public_collab: Collab, queue: Queue
) -> None:
    browser = sign_in(stranger)
    assert "Ask to join" in browser.get("/collabs/open-cortex/").text
    browser.post("/collabs/open-cortex/join/", {"note": "I know <waves>."})
    assert browser.post("/collabs/open-cortex/join/", {"note": "Again."}).status_code == 422
    assert Notice.objects.get(user=owner).text == "I know <waves>."
    assert "1 person asks" in sign_in(owner).get("/collabs/open-cortex/").text
    page = sign_in(owner).get("/collabs/open-cortex/team/requests/")
    assert "I know &lt;waves&gt;." in page.text
    asked = JoinRequest.objects.get()
    answer = {"answer": "approve", "role": "editor"}
    sign_in(owner).post(f"/collabs/open-cortex/team/requests/{asked.pk}/", answer)
    assert public_collab.role_of(stranger) == Role.EDITOR
    assert Notice.objects.filter(user=stranger).exists()


def test_somebody_asks_and_is_declined_and_asks_again(
    sign_in: SignIn, owner: User, stranger: User, public_collab: Collab, queue: Queue
) -> None:
    asked = join_requests.ask(stranger, public_collab)
    answer = {"answer": "decline", "role": "viewer", "why": "Full at the moment."}
    sign_in(owner).post(f"/collabs/open-cortex/team/requests/{asked.pk}/", answer)
    assert public_collab.role_of(stranger) is None
    assert Notice.objects.get(user=stranger).text == "Full at the moment."
    with pytest.raises(ValidationError, match="answered or withdrawn"):
        join_requests.approve(owner, asked, Role.VIEWER)
    again = join_requests.ask(stranger, public_collab)
    sign_in(stranger).post("/collabs/open-cortex/join/", {"do": "withdraw"})
    assert not JoinRequest.objects.filter(pk=again.pk).exists()


def test_nobody_asks_to_join_what_they_cannot_see(
    sign_in: SignIn, stranger: User, viewer: User, collab: Collab, public_collab: Collab
) -> None:
    assert sign_in(stranger).get("/collabs/cortex/join/").status_code == 404
    assert sign_in(stranger).post("/collabs/cortex/join/").status_code == 404
    assert Client().get("/collabs/open-cortex/join/").status_code == 302
    assert sign_in(viewer).get("/collabs/open-cortex/join/")["Location"] == "/collabs/open-cortex/"
    with pytest.raises(ValidationError):
        join_requests.ask(stranger, collab)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_administrators_answer_once(owner: User, stranger: User, public_collab: Collab) -> None:
    for _ in range(4):
        asked = join_requests.ask(stranger, public_collab)
        asked = JoinRequest.objects.select_related("user", "collab").get(pk=asked.pk)
        results = at_once(
            partial(join_requests.approve, owner, asked, Role.VIEWER),
            partial(join_requests.decline, owner, asked, "no"),
        )
        assert sum(isinstance(result, ValidationError) for result in results) == 1
        asked.refresh_from_db()
        assert (public_collab.role_of(stranger) is not None) == asked.approved
        services.remove_member(owner, public_collab, stranger)


# Who may


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("team/invitations/", None),
        ("team/invitations/mail/", {"mail-email": "x@example.org", "mail-role": "viewer", "mail-days": "1"}),
        ("team/invitations/link/", {"link-role": "administrator", "link-days": "1", "link-uses": "1"}),
        ("team/invitations/{invitation}/revoke/", {}),
        ("team/requests/", None),
        ("team/requests/{request}/", {"answer": "approve", "role": "administrator"}),
        ("team/hand-over/", None),
        ("team/hand-over/", {"person": "stranger", "stay_as": ""}),
    ],
)
def test_only_administrators_manage(
    sign_in: SignIn,
    owner: User,
    editor: User,
    viewer: User,
    stranger: User,
    public_collab: Collab,
    path: str,
    form: dict[str, Any] | None,
) -> None:
    invitation, _token = invitations.invite_by_link(owner, public_collab, Role.VIEWER)
    asked = join_requests.ask(stranger, public_collab)
    address = f"/collabs/open-cortex/{path.format(invitation=invitation.pk, request=asked.pk)}"
    for user in (editor, viewer, stranger):
        browser = sign_in(user)
        answer = browser.get(address) if form is None else browser.post(address, form)
        assert answer.status_code == 403, user
    assert public_collab.role_of(stranger) is None
    assert Invitation.objects.open().count() == 1


def test_one_collabs_administrator_does_not_manage_anothers(
    sign_in: SignIn, owner: User, stranger: User, public_collab: Collab
) -> None:
    invitation, _token = invitations.invite_by_link(owner, public_collab, Role.VIEWER)
    asked = join_requests.ask(stranger, public_collab)
    services.create_collab(stranger, title="Mine")
    browser = sign_in(stranger)
    assert browser.post(f"/collabs/mine/team/invitations/{invitation.pk}/revoke/").status_code == 404
    answer = {"answer": "approve", "role": "administrator"}
    assert browser.post(f"/collabs/mine/team/requests/{asked.pk}/", answer).status_code == 404


def test_it_is_handed_over(sign_in: SignIn, owner: User, editor: User, stranger: User, collab: Collab) -> None:
    browser = sign_in(owner)
    assert browser.post("/collabs/cortex/team/hand-over/", {"person": "stranger"}).status_code == 422
    browser.post("/collabs/cortex/team/hand-over/", {"person": "editor", "stay_as": "viewer"})
    assert (collab.role_of(editor), collab.role_of(owner)) == (Role.ADMINISTRATOR, Role.VIEWER)
    sign_in(editor).post("/collabs/cortex/team/hand-over/", {"person": "owner", "stay_as": ""})
    assert (collab.role_of(editor), collab.role_of(owner)) == (None, Role.ADMINISTRATOR)
    assert audit.trail(collab)[0].verb == "collab.member.left"


def test_its_page_asks_the_same_number_of_questions_however_many(
    sign_in: SignIn, owner: User, collab: Collab, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(20):
        invitations.invite_by_link(owner, collab, Role.VIEWER)
    browser = sign_in(owner)
    with django_assert_max_num_queries(11):
        browser.get("/collabs/cortex/team/invitations/")
