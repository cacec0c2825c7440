"""The tag `url` of every template: as Django's, and an address without arguments is put together once per process."""

from typing import Any

from django.template import Context, Library
from django.template.base import FilterExpression, Parser, Token, Variable
from django.template.defaulttags import URLNode
from django.template.defaulttags import url as url_tag
from django.urls import get_script_prefix, get_urlconf

register = Library()


class FixedUrlNode(URLNode):
    """An address that no variable changes."""

    def __init__(self, node: URLNode) -> None:
        super().__init__(node.view_name, node.args, node.kwargs, node.asvar)
        self.known: dict[Any, str] = {}

    def render(self, context: Context) -> str:
        match = getattr(getattr(context, "request", None), "resolver_match", None)
        key = get_urlconf(), get_script_prefix(), match.namespace if match else None, context.autoescape
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = super().render(context)
        return found


@register.tag
def url(parser: Parser, token: Token) -> URLNode:
    """`{% url %}`, as in Django's documentation."""
    node = url_tag(parser, token)
    return FixedUrlNode(node) if not (node.args or node.kwargs or node.asvar or _varies(node.view_name)) else node


def _varies(name: FilterExpression) -> bool:
    return (isinstance(name.var, Variable) and name.var.literal is None) or bool(name.filters)
