"""The tag `url` of all templates, and addresses of static files, which are put together once per process."""

import pytest
from django.http import HttpRequest
from django.template import Context, RequestContext, Template
from django.test import RequestFactory
from django.urls import NoReverseMatch, resolve, set_script_prefix

from portal.web.static_files import HashedFilesStorage


def request_at(path: str, rf: RequestFactory) -> HttpRequest:
    request = rf.get(path)
    request.resolver_match = resolve(path)
    return request


def test_an_address_without_arguments_stays() -> None:
    template = Template("{% url 'drive:home' %} {% url 'collabs:directory' %}")
    assert {template.render(Context()) for _ in range(3)} == {"/drive/ /collabs/"}


def test_one_with_arguments_follows_them() -> None:
    template = Template("{% url 'collabs:page' slug %}{% url name %}")
    for slug, name, address in (("a", "drive:home", "/drive/"), ("b", "lab:home", "/lab/")):
        assert template.render(Context({"slug": slug, "name": name})) == f"/collabs/{slug}/{address}"


def test_a_name_that_a_filter_changes_follows_it() -> None:
    template = Template("{% url 'drive:'|add:page %}")
    assert template.render(Context({"page": "home"})) == "/drive/"
    assert template.render(Context({"page": "deleted"})) == "/drive/deleted/"


def test_an_address_follows_the_prefix_and_the_namespace_of_the_page(rf: RequestFactory) -> None:
    template = Template("{% url 'admin:index' %}")
    for path in ("/admin/", "/drive/"):
        assert template.render(RequestContext(request_at(path, rf))) == "/admin/"
    set_script_prefix("/below/")
    try:
        assert template.render(Context()) == "/below/admin/"
    finally:
        set_script_prefix("/")
    assert template.render(Context()) == "/admin/"


def test_an_unknown_name_fails_each_time() -> None:
    template = Template("{% url 'no:such' %}")
    for _ in range(2):
        with pytest.raises(NoReverseMatch):
            template.render(Context())


def test_static_files_have_the_addresses_that_django_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = HashedFilesStorage(manifest_storage=None)
    storage.hashed_files = {"css/base.css": "css/base.0123456789ab.css"}
    asked: list[str] = []
    plain = storage.stored_name

    def stored_name(name: str) -> str:
        asked.append(name)
        return plain(name)

    monkeypatch.setattr(storage, "stored_name", stored_name)
    assert {storage.url("css/base.css") for _ in range(3)} == {"/static/css/base.0123456789ab.css"}
    assert asked == ["css/base.css"]
    with pytest.raises(ValueError, match="Missing staticfiles manifest"):
        storage.url("css/none.css")
