"""Routers of `/api/v1/` and its OpenAPI document."""

import json
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase
from ninja.openapi.schema import OpenAPISchema

from api import errors
from api.models import Scope
from portal.version import VERSION

from . import collabs, files, groups, lab, libraries, links, me, people, search, teams, trash, upload_links
from .openapi import described
from .schemas import ALWAYS

DESCRIPTION = """Everything that people do on the pages, for programs, with the same permissions and audit trail.

Send a personal access token, created at /account/tokens/, as “Authorization: Bearer …”."""

MODULE_IN_ID = {"lab": "me"}
"""Operation ids are names in generated clients: they stay when a module gets another name."""


class OwnPage(DocsBase):
    """The API's documentation as a page of ours, without scripts and third parties."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        """Every operation with its parameters, body and responses."""
        context = {
            "groups": _described(),
            "always": [(code, errors.default_message(code)) for code in ALWAYS],
            "scopes": Scope.labels,
        }
        return render(request, "api/docs.html", context)


class Site(NinjaAPI):
    """Ninja's API with unique operation ids and our title in its OpenAPI document."""

    def get_openapi_operation_id(self, operation: Any) -> str:
        module = operation.view_func.__module__.rpartition(".")[2]
        return f"{MODULE_IN_ID.get(module, module)}.{operation.view_func.__name__}"

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """OpenAPI document with the site's name. It takes a second to make, and is the same until the next start."""
        return _document(self, settings.SITE_NAME, path_prefix or self.get_root_path(path_params or {}))


@cache
def _document(site: Site, name: str, prefix: str) -> OpenAPISchema:
    """A docstring's first line is the summary. Without HEAD: it is GET without the body, and would have GET's name."""
    document = NinjaAPI.get_openapi_schema(site, path_prefix=prefix)
    document["info"]["title"] = name
    document["components"]["schemas"][errors.Problem.__name__] = errors.Problem.model_json_schema()
    for operations in document["paths"].values():
        operations.pop("head", None)
        for details in operations.values():
            details["summary"], _, text = details.pop("description").partition("\n")
            details |= {"description": text.strip()} if text.strip() else {}
            for parameter in details.get("parameters", []):
                parameter["schema"] = _plain(parameter["schema"])
    return document


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Schema without an `allOf` around a single one, which generators of clients take for an object."""
    inner, *others = schema.get("allOf", [{}])
    return schema if others else inner | {name: value for name, value in schema.items() if name != "allOf"}


api = Site(
    version=VERSION,
    description=DESCRIPTION,
    urls_namespace="api",
    docs=OwnPage(),
    openapi_extra={
        "tags": [
            {"name": name}
            for name in (
                "Me",
                "Collabs",
                "Teams",
                "Invitations to me",
                "Groups",
                "People",
                "Libraries",
                "Shares",
                "Public links",
                "Upload links",
                "Files",
                "Versions",
                "Trash",
                "Search",
                "Lab",
            )
        ]
    },
)
errors.install(api, errors.problem)
api.add_router("", me.router)
api.add_router("/collabs", collabs.router)
api.add_router("/collabs", teams.router)
api.add_router("/invitations", teams.mine)
api.add_router("/groups", groups.router)
api.add_router("/people", people.router)
for router in (libraries.router, links.router, upload_links.router, files.router, trash.router, search.router):
    api.add_router("/libraries", router)
api.add_router("/lab", lab.router)


@cache
def _described() -> list[Any]:
    """Operations by tag; the document is the same for everybody until the next start."""
    return described(json.loads(json.dumps(api.get_openapi_schema())))
