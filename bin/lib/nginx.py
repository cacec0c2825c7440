"""The proxy's configuration: deploy/nginx.conf.template with this place's addresses."""

import os
import re
import string
from pathlib import Path
from urllib.parse import urlsplit


def write(code: Path, var: Path, run: Path, environment: dict[str, str]) -> Path:
    """Render the template to RUN/nginx.conf; returns its path."""
    (run / "lab").mkdir(exist_ok=True)
    target = run / "nginx.conf"
    template = string.Template((code / "deploy/nginx.conf.template").read_text())
    target.write_text(template.substitute(values(var, run, environment)))
    return target


def values(var: Path, run: Path, environment: dict[str, str]) -> dict[str, str]:
    """What the template leaves open. `LISTEN` in the environment overrides 127.0.0.1 and the port."""
    portal = urlsplit(environment["PORTAL_URL"])
    lab_host = environment["LAB_DOMAIN"].partition(":")[0]
    drive = environment.get("DRIVE_ROOT") or str(var / "drive")
    os.makedirs(f"{drive}/staging/nginx", exist_ok=True)
    development = portal.hostname == "localhost"
    return {
        "VAR": str(var),
        "RUN": str(run),
        "DRIVE": drive,
        "LISTEN": environment.get("LISTEN") or f"127.0.0.1:{environment['PORT']}",
        "SCHEME": portal.scheme,
        "PORTAL_HOST": str(portal.hostname),
        "PORTAL_AUTHORITY": portal.netloc,
        "LAB_HOST": lab_host,
        "LAB_HOST_RE": re.escape(lab_host),
        "UNKNOWN_HOST": f"302 {environment['PORTAL_URL']}$request_uri" if development else "421",
        "UPLOAD_MAX": environment.get("UPLOAD_MAX", "64g"),
    }
