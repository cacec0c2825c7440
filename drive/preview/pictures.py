"""Types of pictures that browsers show."""

TYPES = {
    "avif": "image/avif",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webp": "image/webp",
}
"""Media types by file name extension."""
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")


def extension(name: str) -> str:
    """The extension of a file's name in lower case, without the dot."""
    return name.rpartition(".")[2].lower()


def is_picture(content: bytes) -> bool:
    """True if these are the first bytes of a bitmap in one of the types."""
    is_webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    is_avif = content[4:12] in (b"ftypavif", b"ftypavis")
    return content.startswith(_MAGIC) or is_webp or is_avif
