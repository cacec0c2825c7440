"""Metadata of SAML identity providers: fetched rarely, and never by many threads at once while one does not answer."""

import logging
import time
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from django.core.cache import cache
from lxml.etree import LxmlError
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser

log = logging.getLogger(__name__)

FRESH_SECONDS = 4 * 3600
KEPT_SECONDS = 24 * 3600
"""For so long, what was fetched last counts while nothing newer can be had."""
PAUSE_SECONDS = 60
"""Between attempts while it cannot be fetched; meanwhile nobody waits for it."""
TIMEOUT_SECONDS = 5
LARGEST = 32 * 2**20


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follows no redirect from https: to anything else, where somebody on the way could replace the certificates."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(newurl).scheme != urlsplit(req.full_url).scheme:
            raise OSError(f"{req.full_url} redirects to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(idp: dict[str, Any]) -> dict[str, Any]:
    """What the provider's metadata says, in python3-saml's format. OSError while it cannot be had."""
    name = f"{idp['metadata_url']} {idp['entity_id']}"
    kept, asked = f"saml-metadata:{name}", f"saml-metadata-asked:{name}"
    at, found = cache.get(kept) or (0.0, None)
    if found and time.time() - at < FRESH_SECONDS:
        return dict(found)
    if cache.add(asked, 1, PAUSE_SECONDS):
        try:
            newer = OneLogin_Saml2_IdPMetadataParser.parse(_read(idp["metadata_url"]), entity_id=idp["entity_id"])
            if not newer.get("idp", {}).get("singleSignOnService"):
                raise ValueError(f"nothing there says where {idp['entity_id']} signs people in")
        except (OSError, ValueError, HTTPException, LxmlError) as error:
            log.warning("metadata of a SAML provider, %s: %r", idp["metadata_url"], error)
        else:
            cache.set(kept, (time.time(), newer), KEPT_SECONDS)
            cache.delete(asked)
            return dict(newer)
    if not found:
        raise OSError(f"{idp['metadata_url']} could not be fetched in the last minute")
    return dict(found)


def _read(url: str) -> bytes:
    with urllib.request.build_opener(_SameScheme()).open(url, timeout=TIMEOUT_SECONDS) as answer:
        text: bytes = answer.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise ValueError(f"more than {LARGEST // 2**20} MiB")
    return text
