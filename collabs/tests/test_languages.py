"""Notices and invitations are in the language of whoever gets them, whatever the one has who caused them."""

import pytest
from allauth.account.models import EmailAddress
from django.utils import translation

from collabs import invitations, services
from collabs.emails import invitation_mail
from collabs.models import Collab, Role
from drive.libraries import services as drive_services
from drive.models import Permission
from notices import emails
from notices.models import Notice
from portal.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def readers(editor: User, viewer: User, stranger: User) -> dict[str, User]:
    """Three people, who read three languages."""
    people = {"de": editor, "fr": viewer, "en": stranger}
    for language, user in people.items():
        user.language = language
        user.save()
    return people


def latest(user: User) -> Notice:
    return Notice.objects.filter(user=user).latest("pk")


def test_a_share_is_told_in_the_readers_language(owner: User, readers: dict[str, User]) -> None:
    library = drive_services.create_library(owner, "Data")
    with translation.override("fr"):  # the owner's browser
        for user in readers.values():
            drive_services.share_with_person(owner, library, user, Permission.READ)
    said = {language: latest(user).subject for language, user in readers.items()}
    assert said == {
        "de": "Olga Owner teilt „Data“ mit Ihnen",
        "fr": "Olga Owner partage « Data » avec vous",
        "en": "Olga Owner shares “Data” with you",
    }


def test_a_mail_is_wholly_in_the_readers_language(owner: User, readers: dict[str, User]) -> None:
    library = drive_services.create_library(owner, "Data")
    for user in readers.values():
        drive_services.share_with_person(owner, library, user, Permission.WRITE)
    with translation.override("de"):  # of the worker's last task
        texts = {language: emails.message(latest(user)) for language, user in readers.items()}
    for language, user in readers.items():
        with translation.override(language):
            assert str(texts[language].body) == str(emails.message(latest(user)).body)
    assert len({str(text.body) for text in texts.values()}) == 3


def test_an_invitation_is_in_the_language_of_whoever_has_the_address(
    owner: User, readers: dict[str, User], collab: Collab
) -> None:
    """Else in the inviter's."""
    owner.language = "fr"
    owner.save()
    german = readers["de"]
    services.remove_member(owner, collab, german)
    EmailAddress.objects.update_or_create(user=german, email=german.email, defaults={"verified": True, "primary": True})
    with translation.override("en"):
        known = invitations.invite_by_mail(owner, collab, german.email, Role.VIEWER)
        unknown = invitations.invite_by_mail(owner, collab, "nobody@example.org", Role.VIEWER)
        subjects = [invitation_mail(invitation, "token").subject for invitation in (known, unknown)]
    assert "lädt Sie zu „Cortex“ ein" in subjects[0]
    assert "vous invite à « Cortex »" in subjects[1]
