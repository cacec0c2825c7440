"""Addresses of files: any name that the disk can hold, a line break included, has one."""

import os
from urllib.parse import quote, unquote_to_bytes

from django.urls.converters import StringConverter


class FilePathConverter(StringConverter):
    """URL converter: what Django's `path` takes, and line breaks."""

    regex = "(?s:.+)"


def quoted(path: str) -> str:
    """The path as it stands in an address."""
    return quote(path, safe="/")


def name_in_form(name: str) -> str:
    """A name as a form's field: browsers change line breaks in fields, and send no bytes that are not UTF-8."""
    return quote(os.fsencode(name), safe="")


def name_from_form(field: str) -> str:
    """The name that `name_in_form` wrote."""
    return os.fsdecode(unquote_to_bytes(field))


def folder_address(base: str, path: str) -> str:
    """Address of a folder's page; `base` is the library's, and ends with a slash."""
    return f"{base}{quoted(path)}/" if path else base
