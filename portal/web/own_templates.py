"""Templates of one's own in place of the site's, from the directory that TEMPLATES_DIR names.

A file there with the name of a template is used instead: of a mail, a page, or a part of one. One that is broken, read
or rendered, costs nobody a mail or a page: it is logged, and the whole is rendered from the site's own templates.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.http import HttpRequest
from django.template import TemplateDoesNotExist, TemplateSyntaxError, engines
from django.template.backends.django import DjangoTemplates, Template
from django.template.base import Origin
from django.template.base import Template as ParsedTemplate
from django.template.loader_tags import ExtendsNode, IncludeNode

log = logging.getLogger(__name__)

UNREADABLE = (TemplateSyntaxError, OSError, UnicodeDecodeError)
ENDS = (".html", ".txt")


class OwnTemplates(DjangoTemplates):
    """Engine whose first directory has templates of one's own."""

    def __init__(self, params: dict[str, Any]) -> None:
        directory, *rest = params["DIRS"]
        self.own = Path(directory)
        options = dict(params["OPTIONS"])
        self.built_in = DjangoTemplates(params | {"DIRS": rest, "OPTIONS": dict(options), "NAME": "built-in"})
        super().__init__(params | {"OPTIONS": options})

    def get_template(self, template_name: str) -> "TemplateOrBuiltIn | Template":
        try:
            found = super().get_template(template_name)
        except UNREADABLE as error:
            log.error("%s in %s is not used: %s", template_name, self.own, error)  # noqa: TRY400
            return self.built_in.get_template(template_name)
        return TemplateOrBuiltIn(found.template, self)

    def names(self) -> Iterator[str]:
        """Names of the files in the directory of one's own."""
        for path in sorted(self.own.rglob("*")):
            if path.is_file() and path.suffix in ENDS:
                yield str(path.relative_to(self.own))

    def why_broken(self, name: str) -> str:
        """Why a template of one's own cannot be used, as far as that can be seen without rendering it; "" if it can."""
        try:
            template = self.engine.get_template(name)
        except UNREADABLE as error:
            return str(error)
        try:
            self.built_in.get_template(name)
        except TemplateDoesNotExist:
            # A part that another one includes: nothing of the site's has its name.
            return "" if self._is_part(name) else "the site has no template of this name (bin/manage templates list)"
        return self._missing_part(template)

    def _is_part(self, name: str) -> bool:
        """Whether another one of one's own names it."""
        texts = ((self.own / other).read_text(errors="replace") for other in self.names() if other != name)
        return any(f'"{name}"' in text or f"'{name}'" in text for text in texts)

    def _missing_part(self, template: ParsedTemplate) -> str:
        for node in template.nodelist.get_nodes_by_type((ExtendsNode, IncludeNode)):  # type: ignore[arg-type]
            expression: Any = getattr(node, "parent_name", None) or getattr(node, "template", None)
            name = getattr(expression, "var", None)
            if isinstance(name, str):
                try:
                    self.engine.get_template(name)
                except TemplateDoesNotExist:
                    return f"there is no template {name}"
                except UNREADABLE as error:
                    return f"{name}: {error}"
        return ""


class TemplateOrBuiltIn(Template):
    """A template that is rendered from the site's own ones where one of one's own fails."""

    backend: OwnTemplates

    def render(self, context: Mapping[str, Any] | None = None, request: HttpRequest | None = None) -> str:
        try:
            return super().render(context, request)  # type: ignore[arg-type]
        except Exception as error:
            try:
                built_in = self.backend.built_in.get_template(str(self.template.name))
            except TemplateDoesNotExist:
                raise error from None
            said = built_in.render(context, request)  # type: ignore[arg-type]
            log.exception("%s, or a part of it in %s, is not used", self.template.name, self.backend.own)
            return said


def engine() -> DjangoTemplates:
    """The site's engine."""
    found = engines["django"]
    assert isinstance(found, DjangoTemplates)
    return found


def own() -> OwnTemplates | None:
    """Its part for templates of one's own, if the setting names a directory."""
    found = engine()
    return found if isinstance(found, OwnTemplates) else None


def built_in() -> DjangoTemplates:
    """Engine of the site's templates alone."""
    found = engine()
    return found.built_in if isinstance(found, OwnTemplates) else found


def built_in_names() -> list[str]:
    """Names of all templates of the site and of what it is made of, pages and mails."""
    places = [Path(place) for place in built_in().template_dirs]
    found = {str(path.relative_to(place)) for place in places for path in place.rglob("*") if path.suffix in ENDS}
    return sorted(found)


def is_mail(name: str) -> bool:
    """Whether a template is (a part of) a mail."""
    return "email/" in name or (name.endswith(".txt") and "mail" in name)


def text_of(name: str) -> str:
    """Text of the site's template of this name. TemplateDoesNotExist."""
    origin = built_in().get_template(name).origin
    assert isinstance(origin, Origin)
    return Path(origin.name).read_text()


def problems() -> Iterator[tuple[str, str]]:
    """What of one's own cannot be used, and why."""
    found = own()
    if found is None:
        return
    if not found.own.is_dir():
        yield str(found.own), "there is no such directory"
    for name in found.names():
        if why := found.why_broken(name):
            yield name, why
