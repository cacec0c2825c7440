"""nginx configuration, rendered from the templates in deploy/ with this installation's addresses."""

import re
import string
import subprocess
import sys
import tempfile
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

sys.path.append(str(Path(__file__).resolve().parents[2]))

from portal.web.upload_sizes import UPLOAD_MAX, unannounced

_PARTS = (
    "",
    ".portal",
    ".files",
    ".upload",
    ".upload_links",
    ".refused",
    ".errors",
    ".cookies",
    ".rooms",
    ".rooms_errors",
)
_PARTS_OF_SOME = (".webdav", ".seafile", ".tls")
BROTLI = Path("/usr/lib/nginx/modules/ngx_http_brotli_static_module.so")
"""Debian's libnginx-mod-http-brotli-static: sends files that were packed before. Without it they go as gzip."""
TEMPLATES = tuple(f"nginx{part}.conf" for part in (*_PARTS, *_PARTS_OF_SOME))


def write(code: Path, var: Path, run: Path, environment: dict[str, str]) -> Path:
    """Render the templates into RUN; returns the path of nginx.conf."""
    (run / "lab").mkdir(exist_ok=True)
    filled = values(code, var, run, environment)
    for name in TEMPLATES:
        template = string.Template((code / f"deploy/{name}.template").read_text())
        (run / name).write_text(template.substitute(filled))
    return run / "nginx.conf"


def values(code: Path, var: Path, run: Path, environment: dict[str, str]) -> dict[str, str]:
    """Values of the templates' variables."""
    portal = urlsplit(environment["PORTAL_URL"])
    lab_authority = environment["LAB_DOMAIN"]
    lab_host = lab_authority.partition(":")[0]
    drive = Path(environment.get("DRIVE_ROOT") or var / "drive").resolve()
    for name in ("staging/nginx", "promised"):
        (drive / name).mkdir(parents=True, exist_ok=True)
    (var / "acme").mkdir(exist_ok=True)
    lab_root = Path(environment.get("LAB_ROOT") or var / "lab")
    lab_static = Path(environment.get("LAB_STATIC_FILES") or lab_root / "static/files").resolve()
    development = portal.hostname == "localhost"
    brotli = loads(BROTLI)
    upload_max = environment.get("UPLOAD_MAX") or UPLOAD_MAX
    return {
        "CODE": str(code),
        "VAR": str(var),
        "RUN": str(run),
        "DRIVE": str(drive),
        "LAB_STATIC": str(lab_static),
        "BROTLI_MODULE": f"load_module {BROTLI};" if brotli else "",
        "BROTLI_STATIC": "brotli_static on;" if brotli else "",
        "LOG_FORMAT": "json" if environment.get("LOG_FORMAT") == "json" else "short",
        "PORTAL_URL": environment["PORTAL_URL"].rstrip("/"),
        "SITE_NAME": quoted(environment.get("SITE_NAME", "Collaboratory")),
        "SCHEME": portal.scheme,
        "PORTAL_HOST": str(portal.hostname),
        "PORTAL_AUTHORITY": portal.netloc,
        "LAB_AUTHORITY": lab_authority,
        "LAB_HOST": lab_host,
        "LAB_HOST_RE": re.escape(lab_host),
        "UNKNOWN_HOST": f"302 {environment['PORTAL_URL']}$request_uri" if development else "421",
        "TRUSTED_PROXY": trusted(environment.get("TRUSTED_PROXY", "")),
        "UPLOAD_MAX": upload_max,
        "UNANNOUNCED_MAX": str(unannounced(upload_max)),
        **_listening(environment),
        **_tls(run, environment),
    }


def loads(module: Path) -> bool:
    """True if this module is there and nginx takes it: one that was built for another nginx keeps it from starting."""
    if not module.exists():
        return False
    with tempfile.TemporaryDirectory() as directory:
        configuration = Path(directory, "nginx.conf")
        configuration.write_text(f"load_module {module}; pid {directory}/pid; error_log stderr; events {{}}")
        trial = ["nginx", "-t", "-q", "-p", directory, "-c", str(configuration), "-e", "stderr"]
        path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        return subprocess.run(trial, env=path, capture_output=True, check=False).returncode == 0


def quoted(text: str) -> str:
    """Quote a word for nginx's configuration; a line break becomes a space."""
    return '"' + " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"') + '"'


def has_tls(environment: dict[str, str]) -> bool:
    """True if nginx itself terminates TLS; else a proxy in front of it may."""
    return bool(environment.get("TLS_CERTIFICATE"))


def addresses(environment: dict[str, str]) -> list[str]:
    """Addresses that nginx listens on: LISTEN; by default all of the machine's with TLS, and loopback without."""
    usual = "443 [::]:443" if has_tls(environment) else f"127.0.0.1:{environment['PORT']}"
    return (environment.get("LISTEN") or usual).split()


def _listening(environment: dict[str, str]) -> dict[str, str]:
    secure = " ssl http2" if has_tls(environment) else ""
    plain = (environment.get("LISTEN_HTTP") or "80 [::]:80").split()
    return {
        "LISTEN": _listen(addresses(environment), secure),
        "LISTEN_DEFAULT": _listen(addresses(environment), f"{secure} default_server"),
        "LISTEN_HTTP": _listen(plain, ""),
        "LISTEN_HTTP_DEFAULT": _listen(plain, " default_server"),
    }


def _listen(places: list[str], options: str) -> str:
    return " ".join(f"listen {place}{options};" for place in places)


def _tls(run: Path, environment: dict[str, str]) -> dict[str, str]:
    """Certificate files: the portal's, and that of `*.LAB_DOMAIN`, which may be the same."""
    if not has_tls(environment):
        return dict.fromkeys(("TLS", "UNKNOWN_TLS", "PORTAL_TLS", "LAB_TLS", "HSTS"), "")
    portal = (environment["TLS_CERTIFICATE"], environment["TLS_KEY"])
    lab = (environment.get("LAB_TLS_CERTIFICATE") or portal[0], environment.get("LAB_TLS_KEY") or portal[1])
    seconds = int(environment.get("SECURE_HSTS_SECONDS") or 365 * 24 * 3600)
    return {
        "TLS": f"include {run}/nginx.tls.conf;",
        "UNKNOWN_TLS": "ssl_reject_handshake on;",
        "PORTAL_TLS": "ssl_certificate {}; ssl_certificate_key {};".format(*portal),
        "LAB_TLS": "ssl_certificate {}; ssl_certificate_key {};".format(*lab),
        # With what the portal answers it says so itself.
        "HSTS": f'add_header Strict-Transport-Security "max-age={seconds}" always;',
    }


def trusted(networks: str) -> str:
    """Trusted proxies in front of nginx (TRUSTED_PROXIES), such as `10.0.0.5 192.0.2.0/28`."""
    names = [name if name == "unix:" else str(ip_network(name)) for name in networks.replace(",", " ").split()]
    lines = [f"set_real_ip_from {name};" for name in names]
    return " ".join([*lines, "real_ip_header X-Forwarded-For;", "real_ip_recursive on;"]) if lines else ""
