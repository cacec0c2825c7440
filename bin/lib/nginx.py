"""The proxy's configuration: the templates in deploy/ with this place's addresses."""

import re
import string
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

TEMPLATES = ("nginx.conf", "nginx.portal.conf", "nginx.errors.conf")


def write(code: Path, var: Path, run: Path, environment: dict[str, str]) -> Path:
    """Render the templates into RUN; returns the path of nginx.conf."""
    (run / "lab").mkdir(exist_ok=True)
    filled = values(code, var, run, environment)
    for name in TEMPLATES:
        template = string.Template((code / f"deploy/{name}.template").read_text())
        (run / name).write_text(template.substitute(filled))
    return run / "nginx.conf"


def values(code: Path, var: Path, run: Path, environment: dict[str, str]) -> dict[str, str]:
    """What the templates leave open. `LISTEN` in the environment overrides 127.0.0.1 and the port."""
    portal = urlsplit(environment["PORTAL_URL"])
    lab_authority = environment["LAB_DOMAIN"]
    lab_host = lab_authority.partition(":")[0]
    drive = Path(environment.get("DRIVE_ROOT") or var / "drive").resolve()
    (drive / "staging/nginx").mkdir(parents=True, exist_ok=True)
    development = portal.hostname == "localhost"
    return {
        "CODE": str(code),
        "VAR": str(var),
        "RUN": str(run),
        "DRIVE": str(drive),
        "LISTEN": environment.get("LISTEN") or f"127.0.0.1:{environment['PORT']}",
        "LOG_FORMAT": "json" if environment.get("LOG_FORMAT") == "json" else "short",
        "PORTAL_URL": environment["PORTAL_URL"].rstrip("/"),
        "SCHEME": portal.scheme,
        "PORTAL_HOST": str(portal.hostname),
        "PORTAL_AUTHORITY": portal.netloc,
        "LAB_AUTHORITY": lab_authority,
        "LAB_HOST": lab_host,
        "LAB_HOST_RE": re.escape(lab_host),
        "UNKNOWN_HOST": f"302 {environment['PORTAL_URL']}$request_uri" if development else "421",
        "TRUSTED_PROXY": trusted(environment.get("TRUSTED_PROXY", "")),
        "UPLOAD_MAX": environment.get("UPLOAD_MAX", "64g"),
    }


def trusted(networks: str) -> str:
    """Whose word nginx takes for where a request comes from: proxies in front of it, as `10.0.0.5 192.0.2.0/28`."""
    names = [name if name == "unix:" else str(ip_network(name)) for name in networks.replace(",", " ").split()]
    lines = [f"set_real_ip_from {name};" for name in names]
    return " ".join([*lines, "real_ip_header X-Forwarded-For;", "real_ip_recursive on;"]) if lines else ""
