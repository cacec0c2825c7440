"""Routers of both APIs: HEAD works where GET does, and query parameters that an operation does not name are refused."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import ninja
from django.core.exceptions import ValidationError
from django.http import HttpRequest


class Router(ninja.Router):
    """Ninja's router, with HEAD for every GET (RFC 9110, 9.3.2); the middleware leaves out the body."""

    def get(self, path: str, **options: Any) -> Callable[..., Any]:
        """Add an operation that only reads; one that changes something is added by `api_operation(["GET"])`."""
        return self.api_operation(["GET", "HEAD"], path, **options)


class StrictRouter(Router):
    """Router that refuses unknown query parameters by name (422): a misspelt filter must not list everything."""

    def add_api_operation(self, path: str, methods: list[str], view_func: Callable[..., Any], **options: Any) -> None:
        """Add an operation that looks at the names in the query string first."""
        known: set[str] = set()

        @wraps(view_func)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if unknown := sorted(set(request.GET) - known):
                raise ValidationError({_printable(name): _not_known(known) for name in unknown})
            return view_func(request, *args, **kwargs)

        super().add_api_operation(path, methods, checked, **options)
        for model in self.path_operations[_as_kept(path)].operations[-1].models:
            if model.__ninja_param_source__ == "query":
                known.update(model.__ninja_flatten_map__)


def _as_kept(path: str) -> str:
    """Path as Ninja keeps it, which has a converter of its own for UUIDs."""
    return path.replace("{uuid:", "{uuidstr:")


def _printable(name: str) -> str:
    return name[:100].encode(errors="replace").decode() or "?"


def _not_known(known: set[str]) -> str:
    return f"Unknown query parameter. Known: {', '.join(sorted(known))}." if known else "Unknown query parameter."
