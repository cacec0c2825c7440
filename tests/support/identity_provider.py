"""A SAML identity provider for tests, made of pysaml2, which signs with xmlsec1. A test carries what browsers carry."""

import base64
import subprocess
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from saml2 import BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAME_FORMAT_URI, NAMEID_FORMAT_PERSISTENT, NAMEID_FORMAT_TRANSIENT, NameID
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

ENTITY = "https://idp.example.org/metadata"
SSO, SLO = "https://idp.example.org/sso", "https://idp.example.org/slo"
PASSWORD = {"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport", "authn_auth": ENTITY}
KINDS = {"persistent": NAMEID_FORMAT_PERSISTENT, "transient": NAMEID_FORMAT_TRANSIENT}


class IdentityProvider:
    """`metadata` is the file that a site needs; `knows` says which site it answers."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.metadata = place / "metadata.xml"
        make_key(place)
        self.server = self._server(lifetime={"minutes": 15})
        self.metadata.write_text(str(entity_descriptor(self.server.config)))
        self.site, self.address = "", ""

    def _server(self, lifetime: dict[str, int], metadata: str = "") -> Server:
        values: dict[str, Any] = {
            "entityid": ENTITY,
            "xmlsec_binary": "/usr/bin/xmlsec1",
            "key_file": str(self.place / "key.pem"),
            "cert_file": str(self.place / "certificate.pem"),
            "service": {
                "idp": {
                    "endpoints": {
                        "single_sign_on_service": [(SSO, BINDING_HTTP_REDIRECT)],
                        "single_logout_service": [(SLO, BINDING_HTTP_REDIRECT)],
                    },
                    "policy": {"default": {"lifetime": lifetime, "name_form": NAME_FORMAT_URI}},
                }
            },
        }
        values |= {"metadata": {"inline": [metadata]}} if metadata else {}
        return Server(config=IdPConfig().load(values))

    def knows(self, metadata: bytes, site: str, address: str) -> None:
        """Answer this site, whose entity id and address for answers are these."""
        self.site, self.address, self.known = site, address, metadata.decode()
        self.server = self._server({"minutes": 15}, self.known)

    def expired(self) -> None:
        """From now on, what it says is over before it arrives."""
        self.server = self._server({"minutes": -15}, self.known)

    def answer(self, address: str, *, signed: str = "assertion", **said: Any) -> str:
        """What it answers to the question at which a browser arrived: SAMLResponse.

        `identity`: attributes by their short names. `audience`, `destination`, `asked` (the question's id) and `name`
        (id and format of the subject) replace the right ones.
        """
        number = said.get("asked", question(address)["id"])
        name, kind = said.get("name", ("p-1", "persistent"))
        answer = self.server.create_authn_response(
            said["identity"],
            number,
            said.get("destination", self.address),
            said.get("audience", self.site),
            name_id=NameID(text=name, format=KINDS[kind]),
            authn=PASSWORD,
            sign_alg=SIG_RSA_SHA256,
            digest_alg=DIGEST_SHA256,
            sign_assertion=signed in ("assertion", "both"),
            sign_response=signed in ("response", "both"),
        )
        return base64.b64encode(str(answer).encode()).decode()

    def sign_out(
        self, address: str, name: str = "p-1", *, signed: bool = True, indexes: list[str] | None = None
    ) -> str:
        """Query of the site's address with which it signs a person out: all their sessions, or those of `indexes`."""
        subject = NameID(text=name, format=NAMEID_FORMAT_PERSISTENT)
        _number, request = self.server.create_logout_request(
            address, self.site, name_id=subject, session_indexes=indexes, sign=False
        )
        values = {"sign": True, "sigalg": SIG_RSA_SHA256} if signed else {}
        info = self.server.apply_binding(BINDING_HTTP_REDIRECT, str(request), address, "", **values)
        [location] = [value for key, value in info["headers"] if key == "Location"]
        return str(location)


def make_key(place: Path) -> None:
    """A new key and its certificate."""
    names = ["-keyout", str(place / "key.pem"), "-out", str(place / "certificate.pem"), "-subj", "/CN=idp"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names],
        check=True,
        capture_output=True,
    )


def question(address: str) -> dict[str, str]:
    """What a site asks in an address of the provider: its XML, and its id."""
    packed = parse_qs(urlsplit(address).query)["SAMLRequest"][0]
    text = zlib.decompress(base64.b64decode(packed), -15).decode()
    return {"xml": text, "id": text.partition(' ID="')[2].partition('"')[0]}
