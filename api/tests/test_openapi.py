"""Requests made of our own OpenAPI document, right and wrong ones: no 500, and no answer that it does not describe."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from api.models import Scope
from api.services import create_token
from api.v1.api import api
from collabs.models import Collab
from portal.models import User
from portal.web import rate_limits

from .conftest import reset_files

pytestmark = [pytest.mark.django_db, pytest.mark.fuzz]
EXAMPLES = 25
CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
OPERATIONS = [
    (method, path)
    for path, methods in api.get_openapi_schema(path_prefix="/api/v1/")["paths"].items()
    for method in methods
]


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """A request's end closes no connection: the test's own transaction is on it."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def checks() -> list[Any]:
    load_all_checks()
    return [check for check in CHECKS.get_all() if check.__name__ in CHECKED]


def _known(world: dict, path: str) -> dict[str, Any]:
    """Names of things that there are, by what parameters and fields are called."""
    known = {
        "library_id": str(world["own" if "shares" in path or path.endswith("{library_id}") else "lib"]),
        "slug": "cortex" if "/collabs/" in path else "institute",
        "path": "a.txt",
        "person": "stranger",
        "username": "owner" if "managers" in path else "ingroup" if "groups" in path else "viewer",
        "group": "institute",
        "inner": "inner",
        "token": world["token"],
        "to_library": None,
        "invitation_id": world["invitation"],
        "share_id": world["share"],
        "version_id": world["version"],
        "older": world["version"],
        "link_id": str(world["link"]),
        "item_id": world["trashed"],
        "environment": "base",
    }
    if path.endswith("restore") and "version" not in path:
        known |= {"slug": "gone", "library_id": str(world["deleted"])}
    return known


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(one) for one in OPERATIONS])
def test_it_answers_only_as_the_document_says(
    method: str, path: str, world: dict, owner: User, stranger: User, collab: Collab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a Collab's administrator, whose things are named in half of the requests, so that not all of them are 404."""
    monkeypatch.setattr(rate_limits, "allowed", lambda *_, **__: True)
    monkeypatch.setattr(rate_limits, "used", lambda *_: 0)
    _token, secret = create_token(owner, name="fuzz", scopes=tuple(Scope), days=1)
    document = json.loads(json.dumps(api.get_openapi_schema()))
    schema = schemathesis.openapi.from_dict(document)
    schema.app = get_wsgi_application()
    operation = schema[path][method.upper()]
    known = _known(world, path)
    right, wrong = (operation.as_strategy(generation_mode=mode) for mode in GenerationMode)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=st.one_of(right, right, wrong), real=st.booleans())
    def ask(case: Any, real: bool) -> None:
        if real:
            for part in (case.path_parameters, case.query, case.body):
                if isinstance(part, dict):
                    part |= {name: known[name] for name in part if name in known}
        reset_files(collab)
        with transaction.atomic():
            answer = case.call(headers={"Authorization": f"Bearer {secret}"})
            transaction.set_rollback(True)
        case.validate_response(answer, checks=checks())

    ask()
