"""Template tags: browser name of a user agent, time ago, address of a provider."""

from datetime import datetime
from typing import Any

from django import template
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext

register = template.Library()

_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"))


@register.simple_tag
def provider_address(provider: dict[str, Any]) -> str:
    """Where a form sends a person who signs in with the provider, one of the settings'."""
    if provider in settings.SAML_PROVIDERS:
        return reverse("saml_login", args=[provider["provider_id"]])
    return reverse("openid_connect_login", args=[provider["provider_id"]])


@register.filter
def browser(user_agent: str) -> str:
    """`Firefox on Windows`, as far as a browser says; else the beginning of what it does say."""
    name = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in (*_SYSTEMS, ("Linux", "Linux")) if mark in user_agent), "")
    if not name:
        return user_agent[:40] or gettext("Unknown browser")
    return gettext("%(name)s on %(system)s") % {"name": name, "system": system} if system else name


@register.filter
def ago(moment: datetime) -> str:
    """`5 minutes ago`; what is not a minute old is `just now`."""
    if (timezone.now() - moment).total_seconds() < 60:
        return gettext("just now")
    return gettext("%(time)s ago") % {"time": timesince(moment, depth=1)}
