"""A notebook with its outputs as one HTML document."""

import re
from typing import Any

from .page import InvalidContentError, document

CONNECTING = re.compile(r"<(/?)(link|meta|base)\b", re.IGNORECASE)
"""Elements that make a browser look up or call other sites, whatever the page's policy (`preconnect`)."""


def read_notebook(content: bytes) -> Any:
    """A notebook of any version of the format."""
    import nbformat

    try:
        return nbformat.reads(content.decode(), as_version=4)
    except Exception as error:
        raise InvalidContentError(f"This is not a valid notebook ({type(error).__name__}).") from error


def notebook(content: bytes) -> str:
    """A notebook with its outputs. Scripts in it stay where they are; the page's policy lets none run."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="basic", embed_images=False)
    body, _ = exporter.from_notebook_node(read_notebook(content))
    return document(CONNECTING.sub(r"<\1x-\2", body))
