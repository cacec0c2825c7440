"""Sign-in with SAML, by settings alone: the real web process, and an identity provider with a key of its own."""

import base64
import itertools
import re
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory
from django.utils import timezone
from environ import Env
from pytest_django import Settings

from groups.models import people_in
from groups.services import create_group
from portal.accounts import saml_settings
from portal.models import Session, User
from portal.ops.cache import SharedCache
from portal.web import rate_limits

from ..support.identity_provider import SLO, SSO, IdentityProvider, make_key, question
from ..support.site import Site
from ..support.web_process import Visitor, Web, web_process

pytestmark = pytest.mark.sandbox

AT = "/account/saml/institute"
GROUPS = "urn:oid:1.3.6.1.4.1.5923.1.5.1.1"  # isMemberOf
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def institute(tmp_path_factory: pytest.TempPathFactory) -> IdentityProvider:
    return IdentityProvider(tmp_path_factory.mktemp("idp"))


@pytest.fixture(scope="module")
def web(site: Site, institute: IdentityProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A site that both know: `institute`, and `other`, which says that its addresses are verified."""
    names = {"INSTITUTE": {"GROUPS_ATTRIBUTE": GROUPS}, "OTHER": {"TRUST_EMAIL": "true", "ID_ATTRIBUTE": "NameID"}}
    own = tmp_path_factory.mktemp("own")
    make_key(own)
    names["OTHER"] |= {"KEY_FILE": str(own / "key.pem"), "CERTIFICATE_FILE": str(own / "certificate.pem")}
    given = {"SAML_PROVIDERS": "institute,other", "REDIS_URL": settings.REDIS_URL}
    given |= {"ACCOUNT_EMAIL_VERIFICATION": "mandatory", "OIDC_PROVIDERS": ""}  # `institute` is one of the site's
    for name, values in names.items():
        values |= {"ENTITY_ID": institute.server.config.entityid, "METADATA_URL": institute.metadata.as_uri()}
        given |= {f"SAML_{name}_{key}": value for key, value in values.items()}
    with web_process(tmp_path_factory.mktemp("run"), {**site.environment, **given}) as made:
        introduce(made, institute, "institute")
        yield made


def introduce(web: Web, provider: IdentityProvider, name: str) -> None:
    """The provider's operator takes the site's metadata, as the docs say."""
    status, kind, metadata = web.ask(f"/account/saml/{name}/metadata/")
    assert (status, kind.partition(";")[0]) == (200, "text/xml")
    base = f"{settings.PORTAL_URL}/account/saml/{name}"
    provider.knows(metadata, f"{base}/metadata/", f"{base}/acs/")


@pytest.fixture
def person() -> dict[str, str]:
    """Attributes of somebody who is new."""
    name = "eva" + "".join(chr(ord("a") + int(digit)) for digit in f"{next(_numbers):03}")  # usernames lose digits
    return {
        "subject-id": f"{name}@uni.example",
        "uid": name,
        "mail": f"{name}@uni.example",
        "givenName": "Eva",
        "sn": "Müller",
    }


def leave(visitor: Visitor, at: str = AT) -> str:
    """Press the button; where the browser goes."""
    visitor.get("/account/login/")
    assert f"{at}/login/" in re.findall(r'action="([^"]*)"', visitor.text)
    visitor.post(f"{at}/login/", process="login", next="/drive/")
    assert visitor.location.startswith(SSO), visitor.status
    return visitor.location


def come(visitor: Visitor, answer: str, at: str = AT) -> Visitor:
    """The provider's page posts its answer, and the browser goes on."""
    return visitor.post(f"{at}/acs/", foreign=True, SAMLResponse=answer).follow()


def who(visitor: Visitor) -> str:
    """Username of who is signed in; "" for nobody."""
    row = Session.objects.filter(session_key=visitor.cookies.get("portal", "-")).first()
    return row.user.username if row and row.user else ""


def sign_in(web: Web, institute: IdentityProvider, person: Mapping[str, Any], **said: Any) -> Visitor:
    visitor = Visitor(web)
    return come(visitor, institute.answer(leave(visitor), identity=person, **said))


@pytest.mark.parametrize("signed", ["assertion", "response", "both"])
def test_it_makes_an_account_at_the_first_sign_in(
    web: Web, institute: IdentityProvider, person: dict[str, str], signed: str
) -> None:
    visitor = sign_in(web, institute, person, signed=signed)
    user = User.objects.get(username=person["uid"])
    assert (user.get_full_name(), user.email, user.has_usable_password()) == ("Eva Müller", person["mail"], False)
    address = EmailAddress.objects.get(user=user)
    assert (address.email, address.verified) == (person["mail"], False), "the provider is not said to be trustworthy"
    assert who(visitor) == "", "the address is to be verified first"
    EmailAddress.objects.filter(email=person["mail"]).update(verified=True)
    again = sign_in(web, institute, person | {"uid": "renamed", "mail": "new@uni.example"})
    assert (who(again), again.status) == (user.username, 200)
    assert 'aria-current="page"' in again.text
    assert SocialAccount.objects.get(user=user).uid == person["subject-id"]


def test_groups_follow_the_provider(web: Web, institute: IdentityProvider, person: dict[str, str]) -> None:
    group = create_group(None, name=f"Group of {person['uid']}", provider_name="institute:cortex")
    sign_in(web, institute, person | {"isMemberOf": ["cortex", "others"]})
    EmailAddress.objects.filter(email=person["mail"]).update(verified=True)
    visitor = sign_in(web, institute, person | {"isMemberOf": ["cortex", "others"]})
    assert [one.username for one in people_in(group)] == [who(visitor)]
    sign_in(web, institute, person)
    assert not people_in(group).exists()
    group.delete()


def assert_refused(visitor: Visitor, person: dict[str, str], because: str) -> None:
    """Nobody is signed in or made, and the log says why: the last line about it, as nobody else asks here."""
    assert (visitor.status, who(visitor)) == (401, "")
    assert not User.objects.filter(username__startswith=person["uid"]).exists()
    lines = [
        line for line in visitor.web.log.read_text().splitlines() if "allauth" in line or "sign-in through" in line
    ]
    assert because in " ".join(lines[-2:])


def test_it_refuses_another_key(web: Web, institute: IdentityProvider, person: dict[str, str], tmp_path: Path) -> None:
    impostor = IdentityProvider(tmp_path)
    impostor.knows(institute.known.encode(), institute.site, institute.address)
    assert_refused(sign_in(web, impostor, person), person, "Signature validation failed")


@pytest.mark.parametrize(
    ("signed", "uid", "because"),
    [("neither", "", "No Signature found"), ("both", "admin", "Signature validation failed")],
)
def test_it_refuses_what_was_changed_or_is_not_signed(
    web: Web, institute: IdentityProvider, person: dict[str, str], signed: str, uid: str, because: str
) -> None:
    visitor = Visitor(web)
    answer = base64.b64decode(institute.answer(leave(visitor), identity=person, signed=signed)).decode()
    changed = answer.replace(person["uid"], uid or person["uid"])
    assert_refused(come(visitor, base64.b64encode(changed.encode()).decode()), person, because)


def test_it_refuses_a_second_assertion_beside_the_signed_one(
    web: Web, institute: IdentityProvider, person: dict[str, str]
) -> None:
    """Signature wrapping: what is signed stays in it, what is not comes first."""
    visitor = Visitor(web)
    answer = base64.b64decode(institute.answer(leave(visitor), identity=person)).decode()
    found = re.search(r"<(\w+:)?Assertion.*?</(\w+:)?Assertion>", answer, re.DOTALL)
    assert found
    forged = re.sub(r"<(\w+:)?Signature .*?</(\w+:)?Signature>", "", found[0], flags=re.DOTALL)
    forged = re.sub(r' ID="[^"]*"', ' ID="forged"', forged, count=1).replace(person["uid"], "admin")
    for both in (forged + found[0], found[0] + forged):
        text = answer.replace(found[0], both)
        other = Visitor(web, dict(visitor.cookies))
        assert_refused(come(other, base64.b64encode(text.encode()).decode()), person, "must contain 1 assertion")


@pytest.mark.parametrize(
    ("wrong", "because"),
    [
        ({"audience": "https://elsewhere.example/metadata"}, "is not a valid audience"),
        ({"destination": "https://elsewhere.example/acs/"}, "instead of https://elsewhere.example"),
        ({"asked": "ONELOGIN_0123456789"}, "PermissionDenied"),
        ({"asked": None}, "IdP initiated SSO rejected"),
    ],
    ids=str,
)
def test_it_refuses_what_is_for_somebody_else(
    web: Web, institute: IdentityProvider, person: dict[str, str], wrong: dict[str, Any], because: str
) -> None:
    assert_refused(sign_in(web, institute, person, **wrong), person, because)


def test_it_refuses_what_was_used_and_what_another_browser_asked_for(
    web: Web, institute: IdentityProvider, person: dict[str, str]
) -> None:
    sign_in(web, institute, person)
    EmailAddress.objects.filter(email=person["mail"]).update(verified=True)
    visitor = Visitor(web)
    answer = institute.answer(leave(visitor), identity=person)
    for stranger in (Visitor(web), Visitor(web).get("/account/login/")):
        assert come(stranger, answer).status == 401
        assert not who(stranger)
    assert who(come(visitor, answer)) == person["uid"]
    User.objects.get(username=person["uid"]).sessions.all().delete()
    assert come(visitor, answer).status == 401
    assert not who(visitor)


def test_it_refuses_what_is_over(web: Web, institute: IdentityProvider, person: dict[str, str]) -> None:
    server = institute.server
    institute.expired()
    try:
        assert_refused(sign_in(web, institute, person), person, "expired")
    finally:
        institute.server = server


def test_it_knows_nobody_by_a_subject_instead_of_the_attribute(
    web: Web, institute: IdentityProvider, person: dict[str, str]
) -> None:
    del person["subject-id"]
    assert_refused(sign_in(web, institute, person), person, "does not say who it is")


@pytest.mark.parametrize("at", ["institute", "other"])
def test_an_address_leads_into_nobodys_account(
    web: Web, institute: IdentityProvider, person: dict[str, str], at: str
) -> None:
    """Not even that of a provider whose addresses count as verified."""
    owner = User.objects.create_user(f"owner-{person['uid']}", person["mail"], "a password of ours")
    EmailAddress.objects.create(user=owner, email=owner.email, verified=True, primary=True)
    before = User.objects.count()
    introduce(web, institute, at)
    try:
        visitor = Visitor(web)
        answer = institute.answer(
            leave(visitor, f"/account/saml/{at}"), identity=person, name=(person["uid"], "persistent")
        )
        come(visitor, answer, f"/account/saml/{at}")
    finally:
        introduce(web, institute, "institute")
    assert (visitor.status, who(visitor), User.objects.count()) == (200, "", before)
    assert not SocialAccount.objects.filter(user=owner).exists()


def test_a_provider_that_is_told_trustworthy_verifies_addresses_and_asks_with_a_signature(
    web: Web, institute: IdentityProvider, person: dict[str, str]
) -> None:
    at = "/account/saml/other"
    introduce(web, institute, "other")
    try:
        visitor = Visitor(web)
        address = leave(visitor, at)
        assert "Signature=" in address
        assert "nameid-format:persistent" in question(address)["xml"]
        come(visitor, institute.answer(address, identity=person, name=(person["uid"], "persistent")), at)
    finally:
        introduce(web, institute, "institute")
    assert who(visitor) == person["uid"]
    assert EmailAddress.objects.get(email=person["mail"]).verified
    assert SocialAccount.objects.get(user__username=person["uid"]).provider == "other"


def test_the_provider_signs_people_out_and_a_link_does_not(
    web: Web, institute: IdentityProvider, person: dict[str, str], tmp_path: Path
) -> None:
    sign_in(web, institute, person)
    EmailAddress.objects.filter(email=person["mail"]).update(verified=True)
    visitor = sign_in(web, institute, person)
    sls = f"{settings.PORTAL_URL}{AT}/sls/"
    impostor = IdentityProvider(tmp_path)
    impostor.knows(institute.known.encode(), institute.site, institute.address)
    for link in (institute.sign_out(sls, signed=False), impostor.sign_out(sls)):
        assert visitor.get(link.removeprefix(settings.PORTAL_URL)).status == 400
        assert who(visitor) == person["uid"]
    right = institute.sign_out(sls).removeprefix(settings.PORTAL_URL)
    visitor.get(right)
    assert visitor.location.startswith(SLO)
    assert not who(visitor)
    visitor = sign_in(web, institute, person)
    assert visitor.get(right).status == 400, "it was used"
    assert who(visitor) == person["uid"]


def test_a_sign_out_is_of_the_person_and_session_that_it_names(
    web: Web, institute: IdentityProvider, person: dict[str, str]
) -> None:
    """Somebody's own link, which the provider signed, in another one's browser."""
    sign_in(web, institute, person)
    EmailAddress.objects.filter(email=person["mail"]).update(verified=True)
    visitor = sign_in(web, institute, person, name=("p-2", "persistent"))
    index = Session.objects.get(session_key=visitor.cookies["portal"]).get_decoded()["saml_subject"]["session_index"]
    assert index
    sls = f"{settings.PORTAL_URL}{AT}/sls/"
    wrong: list[dict[str, Any]] = [{"name": "p-1"}, {"name": "p-2", "indexes": ["another"]}]
    for given in wrong:
        assert visitor.get(institute.sign_out(sls, **given).removeprefix(settings.PORTAL_URL)).status == 400
        assert who(visitor) == person["uid"]
    nobody = Visitor(web).get(institute.sign_out(sls, "p-1").removeprefix(settings.PORTAL_URL))
    assert nobody.location.startswith(SLO), "there is nothing to end"
    visitor.get(institute.sign_out(sls, "p-2", indexes=[index]).removeprefix(settings.PORTAL_URL))
    assert not who(visitor)


def test_what_anybody_may_post_is_kept_for_minutes_and_is_little(web: Web) -> None:
    visitor = Visitor(web)
    keys = []
    for _ in range(2):
        visitor.cookies.clear()
        visitor.post(f"{AT}/acs/", foreign=True, SAMLResponse="AAAA", other="x" * 100_000)
        keys.append(visitor.cookies["saml-acs-session"])
        assert visitor.location == f"{AT}/acs/finish/"
        row = Session.objects.get(session_key=keys[-1])
        assert row.expire_date - timezone.now() <= timedelta(minutes=5)
        assert len(row.session_data) < 1000
        Session.objects.filter(pk=row.pk).update(expire_date=timezone.now() - timedelta(seconds=1))
    assert not Session.objects.filter(session_key=keys[0]).exists(), "expired ones do not wait for the night"
    assert visitor.get(f"{AT}/acs/finish/").status == 401


def test_a_subject_that_does_not_last_is_nobody(web: Web, institute: IdentityProvider, person: dict[str, str]) -> None:
    at = "/account/saml/other"
    introduce(web, institute, "other")
    try:
        visitor = Visitor(web)
        answer = institute.answer(leave(visitor, at), identity=person, name=(person["uid"], "transient"))
        assert_refused(come(visitor, answer, at), person, "nameid-format:transient")
    finally:
        introduce(web, institute, "institute")


def test_nonsense_signs_nobody_out(web: Web) -> None:
    for query in ("", "SAMLRequest=%25%25&", "SAMLRequest=AAAA&", "SAMLResponse=AAAA&"):
        assert Visitor(web).get(f"{AT}/sls/?{query}Signature=x").status in (400, 401)


@pytest.mark.parametrize("answer", ["", "%%%", "AAAA", base64.b64encode(b"<a/>").decode(), "A" * 600_000])
def test_nonsense_is_told(web: Web, answer: str) -> None:
    visitor = Visitor(web)
    leave(visitor)
    assert come(visitor, answer).status in (400, 401)
    assert Visitor(web).get(f"{AT}/acs/finish/").status == 401
    assert Visitor(web).get(f"{AT}/acs/").status == 405
    assert Visitor(web).get("/account/saml/none/login/").status == 404


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"SAML_PROVIDERS": "a"}, "SAML_A_ENTITY_ID"),
        ({"SAML_PROVIDERS": "A"}, "not made of"),
        ({"SAML_PROVIDERS": "a", "SAML_A_ENTITY_ID": "e", "SAML_A_METADATA_URL": "http://idp.example.org"}, "https"),
        ({"SAML_PROVIDERS": "keycloak"}, "both name keycloak"),
        ({"SAML_PROVIDERS": "ldap"}, "as the groups of an LDAP directory"),
        (
            {
                "SAML_PROVIDERS": "a",
                "SAML_A_ENTITY_ID": "e",
                "SAML_A_METADATA_URL": "https://idp",
                "SAML_A_KEY_FILE": "/none",
            },
            "KEY_FILE",
        ),
    ],
)
def test_it_refuses_settings_that_cannot_be_meant(values: dict[str, str], said: str) -> None:
    class OfTest(Env):
        ENVIRON = values

    with pytest.raises(ImproperlyConfigured, match=said):
        saml_settings.from_environment(OfTest(), ["keycloak"])


def test_it_keeps_no_answers_on_a_full_disk(web: Web, rf: RequestFactory, settings: Settings) -> None:
    from portal.accounts import views_saml  # needs python3-saml, which `web` has installed

    settings.DISK_RESERVE_BYTES = 2**60
    before = Session.objects.count()
    answer = views_saml.come_back(rf.post("/", {"SAMLResponse": "AAAA"}), "institute")
    assert (answer.status_code, Session.objects.count()) == (503, before)


def test_it_takes_no_more_answers_a_minute_whatever_network_they_come_from(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.accounts.views_saml import ANSWERS_OF_ALL_PER_MINUTE as MOST

    # Tests have a cache and a clock of their own.
    monkeypatch.setattr(rate_limits, "cache", SharedCache(settings.REDIS_URL, {"KEY_PREFIX": "cache"}))
    monkeypatch.setattr(rate_limits, "time", time)

    def come_from(network: int) -> int:
        headers = {"X-Forwarded-For": f"203.0.113.{network}", "Content-Type": "application/x-www-form-urlencoded"}
        return web.send("POST", f"{AT}/acs/", "SAMLResponse=AAAA", **headers)[0].status

    assert come_from(1) == 302
    try:
        for _ in range(2):  # a minute may end between the two
            rate_limits.allowed("saml", "all", MOST, 60, by=MOST)
            before = Session.objects.count()
            status = come_from(2)
            if status == 503:
                break
        assert (status, Session.objects.count()) == (503, before)
    finally:
        rate_limits.reset("saml", "all", 60)
    assert come_from(3) == 302


class Elsewhere(BaseHTTPRequestHandler):
    """Sends everybody to another address."""

    asked: ClassVar[list[str]] = []
    onward: ClassVar[str] = ""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(302)
        self.send_header("Location", self.onward)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a server with a certificate that this process believes."""
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2", "-nodes"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "certificate.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", *names, *files], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setattr(Elsewhere, "asked", [])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    with ThreadingHTTPServer(("localhost", 0), Elsewhere) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://localhost:{server.server_port}/metadata"
        server.shutdown()


def test_metadata_that_cannot_be_had_is_not_asked_for_by_everybody_and_comes_over_tls_alone(
    web: Web, institute: IdentityProvider, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.accounts import saml_metadata

    plain = institute.metadata.as_uri()
    idp = {"entity_id": institute.server.config.entityid, "metadata_url": elsewhere}
    monkeypatch.setattr(Elsewhere, "onward", plain.replace("file:", "http:"))
    for _ in range(3):
        with pytest.raises(OSError, match="could not be fetched"):
            saml_metadata.fetch(idp)
    assert Elsewhere.asked == ["/metadata"]
    found = saml_metadata.fetch(idp | {"metadata_url": plain})
    assert found["idp"]["singleSignOnService"]["url"] == SSO
    cache.set(f"saml-metadata:{elsewhere} {idp['entity_id']}", (0.0, found), 60)
    assert saml_metadata.fetch(idp) == found, "what was fetched before counts"
    assert Elsewhere.asked == ["/metadata"]
