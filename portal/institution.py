"""The institution that runs the site: its logo, and what it says in an imprint, about privacy and as terms of use.

All are files in the folder `INSTITUTION`: `logo.svg` or `logo.png`, and `imprint.md`, `privacy.md`, `terms.md`, each
also per language, such as `imprint.de.md`. They are read again when they change.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext_lazy

from portal.text import markdown

DOCUMENTS: dict[str, Promise] = {
    "imprint": gettext_lazy("Imprint"),
    "privacy": gettext_lazy("Privacy"),
    "terms": gettext_lazy("Terms of use"),
}
LOGOS = {"logo.svg": "image/svg+xml", "logo.png": "image/png"}
VERSION_LENGTH = 16


def logo() -> tuple[Path, str] | None:
    """File and media type of the logo; None without one."""
    names = _names()
    return next(((settings.INSTITUTION / name, kind) for name, kind in LOGOS.items() if name in names), None)


def logo_address() -> str:
    """Address of the logo, another one when the file changes; "" without one."""
    found = logo()
    return f"{reverse('institution_logo')}?v={_digest(found[0])}" if found else ""


def document(name: str) -> tuple[SafeString, str] | None:
    """A document as HTML, in the request's language if it is there in it, and its language; None without one."""
    here, first = get_language() or "", settings.LANGUAGE_CODE
    order = [(f"{name}.{here}.md", here), (f"{name}.{first}.md", first), (f"{name}.md", first)]
    order += [(f"{name}.{code}.md", code) for code, _ in settings.LANGUAGES]
    found = next(((file, language) for file, language in order if file in _names()), None)
    return (markdown.render(_text(settings.INSTITUTION / found[0])), found[1]) if found else None


def documents() -> dict[str, Promise]:
    """Documents that there are, by name, with their titles."""
    first = {file.partition(".")[0] for file in _names() if file.endswith(".md")}
    return {name: title for name, title in DOCUMENTS.items() if name in first}


def terms_version() -> str:
    """Version of the terms that people have to accept: TERMS_VERSION, or else a digest of all their files; "" if none.

    The same for all languages: who accepted one text need not accept its translation.
    """
    names = sorted(name for name in _names() if name.endswith(".md") and name.partition(".")[0] == "terms")
    if not names:
        return ""
    if settings.TERMS_VERSION:
        return settings.TERMS_VERSION
    digests = " ".join(_digest(settings.INSTITUTION / name) for name in names)
    return hashlib.sha256(digests.encode()).hexdigest()[:VERSION_LENGTH]


def _names() -> frozenset[str]:
    """Files of ours in the folder; empty without one. The folder is read when its time changes."""
    try:
        changed = settings.INSTITUTION.stat().st_mtime_ns
    except OSError:
        return frozenset()
    return _listed(settings.INSTITUTION, changed)


@lru_cache(4)
def _listed(folder: Path, changed: int) -> frozenset[str]:
    endings = ["", *(f".{code}" for code, _ in settings.LANGUAGES)]
    known = {*LOGOS, *(f"{name}{ending}.md" for name in DOCUMENTS for ending in endings)}
    return frozenset(path.name for path in folder.iterdir() if path.name in known and path.is_file())


def _text(path: Path) -> str:
    return _read(path, path.stat().st_mtime_ns).decode(errors="replace")


def _digest(path: Path) -> str:
    return hashlib.sha256(_read(path, path.stat().st_mtime_ns)).hexdigest()[:VERSION_LENGTH]


@lru_cache(32)
def _read(path: Path, changed: int) -> bytes:
    return path.read_bytes()
