"""Redirect to another site after a form, in spite of the policy `form-action 'self'`.

A browser that has been following redirects since a form of ours is held to the portal's policy, `form-action 'self'`,
and refuses to go on to another origin. Such a chain has never left the portal, and the browser says so:
`Sec-Fetch-Site: same-origin`. It gets a page that moves on at once instead. One that says nothing gets the page too.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers


def redirect_off_site(
    request: HttpRequest, address: str, template: str = "portal/redirect_off_site.html"
) -> HttpResponse:
    """Redirect to `address`, which the caller has checked; any scheme, for applications on a person's own machine."""
    if request.method == "GET" and request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        response = HttpResponse(status=302, headers={"Location": address})
    else:
        response = render(request, template, {"address": address})
        response["Refresh"] = f"0; url={address}"
    response["Referrer-Policy"] = "no-referrer"
    add_never_cache_headers(response)
    return response
