"""A real LDAP directory: Debian's slapd with a database of its own, on a free port of loopback."""

import contextlib
import io
import re
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ldap
import ldif

BASE = "dc=example,dc=org"
READER, READER_PASSWORD = f"cn=reader,{BASE}", "reads"
ROOT, ROOT_PASSWORD = f"cn=root,{BASE}", "writes"
CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
pidfile {place}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile {place}/certificate.pem
TLSCertificateKeyFile {place}/key.pem
TLSCACertificateFile {place}/ca.pem
sizelimit size.soft=40 size.hard=40 size.prtotal=unlimited
database mdb
suffix "{base}"
rootdn "{root}"
rootpw {root_password}
directory {place}
access to attrs=userPassword by anonymous auth by * none
access to * by dn.base="{reader}" read by * none
"""
FIRST = f"""
dn: {BASE}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: {READER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: {READER_PASSWORD}

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{BASE}
objectClass: organizationalUnit
ou: groups
"""


class SlapdDirectory:
    """The running directory. People are below ou=people, their passwords their own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.process: subprocess.Popen | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"  # libldap takes “localhost” for the machine's own name

    @property
    def log(self) -> Path:
        """Its own log of connections and operations."""
        return self.place / "log"

    def asked(self) -> Counter[str]:
        """How many connections it has taken and searches it has done, so far."""
        words = re.findall(r" (ACCEPT from|SRCH base)[ =]", self.log.read_text(errors="replace"))
        return Counter("connections" if word == "ACCEPT from" else "searches" for word in words)

    def prepare(self) -> None:
        """A certificate that no authority of the machine signed, and the first entries."""
        self._make_certificate()
        values = {"base": BASE, "reader": READER, "root": ROOT, "root_password": ROOT_PASSWORD, "place": self.place}
        (self.place / "slapd.conf").write_text(CONFIGURATION.format(**values))
        self._add_offline(FIRST)

    def _make_certificate(self) -> None:
        """An authority of the tests' own, and what it signed."""
        names = {name: str(self.place / name) for name in ("ca.pem", "ca-key.pem", "certificate.pem", "key.pem")}
        new = "openssl req -x509 -newkey rsa:2048 -nodes -days 2".split()
        authority = ["-subj", "/CN=Authority", "-keyout", names["ca-key.pem"], "-out", names["ca.pem"]]
        server = ["-subj", "/CN=localhost", "-keyout", names["key.pem"], "-out", names["certificate.pem"]]
        server += ["-CA", names["ca.pem"], "-CAkey", names["ca-key.pem"], "-addext", "subjectAltName=IP:127.0.0.1"]
        server += ["-addext", "basicConstraints=critical,CA:FALSE"]
        for arguments in (authority, server):
            subprocess.run([*new, *arguments], check=True, capture_output=True)

    def add_people_offline(self, names: Iterable[str]) -> None:
        """Many people at once, while it does not run; they have no passwords."""
        entries = [
            f"dn: uid={name},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\n"
            for name in names
        ]
        self._add_offline("\n".join(entries))

    def _add_offline(self, text: str) -> None:
        command = ["/usr/sbin/slapadd", "-f", str(self.place / "slapd.conf")]
        subprocess.run(command, input=text, text=True, check=True, capture_output=True)

    def start(self) -> None:
        """Run it, and wait until it answers."""
        command = ["/usr/sbin/slapd", "-f", str(self.place / "slapd.conf"), "-h", f"{self.url}/", "-d", "stats"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log)
        until = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self.process.poll() is None, "slapd did not start"
            assert time.monotonic() < until, "slapd does not listen"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it; `start` starts it again with what it has."""
        if self.process:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def _administrator(self) -> Any:
        connection = ldap.initialize(self.url)
        connection.simple_bind_s(ROOT, ROOT_PASSWORD)
        return connection

    def change(self, text: str) -> None:
        """Add entries of an LDIF (ldif(5))."""
        connection = self._administrator()
        reader = ldif.LDIFRecordList(io.StringIO(text))
        reader.parse()
        for dn, entry in reader.all_records:
            connection.add_s(dn, list(entry.items()))
        connection.unbind_s()

    def add_person(self, name: str, *, password: str = "", mail: str = "", ou: str = "people", **more: str) -> str:
        """Add a person; returns their DN. Their password is `name` twice unless one is given."""
        dn = f"uid={name},ou={ou},{BASE}"
        values = {"cn": name, "sn": name.title(), "mail": mail or f"{name}@example.org"} | more
        lines = [f"dn: {dn}", "objectClass: inetOrgPerson", f"uid: {name}", f"userPassword: {password or name * 2}"]
        self.change("\n".join([*lines, *(f"{key}: {value}" for key, value in values.items() if value)]) + "\n")
        return dn

    def add_group(self, name: str, *members: str) -> None:
        """Add a group of these DNs."""
        lines = [f"dn: cn={name},ou=groups,{BASE}", "objectClass: groupOfNames", f"cn: {name}"]
        self.change("\n".join([*lines, *(f"member: {member}" for member in members)]) + "\n")

    def delete(self, dn: str) -> None:
        """Remove an entry."""
        connection = self._administrator()
        connection.delete_s(dn)
        connection.unbind_s()


@contextlib.contextmanager
def slapd(place: Path) -> Iterator[SlapdDirectory]:
    """A running directory, whose files are in an empty folder."""
    directory = SlapdDirectory(place)
    directory.prepare()
    directory.start()
    try:
        yield directory
    finally:
        directory.stop()
