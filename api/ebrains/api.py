"""Routers and error handling of `/rest/v1/`."""

from ninja import NinjaAPI

from api import errors

from . import collabs, identity

api = NinjaAPI(title="EBRAINS Collab API", version="rest-1", urls_namespace="rest", openapi_url=None, docs_url=None)
errors.install(api, errors.ebrains_problem)
api.add_router("/collabs", collabs.router)
api.add_router("/identity", identity.router)
