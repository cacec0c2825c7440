"""Exceptions of WebDAV, with an HTTP status and perhaps a condition of RFC 4918, section 16."""


class DavError(Exception):
    """Refused with this status; the text is for the person."""

    def __init__(self, status: int, message: str, condition: str = "") -> None:
        super().__init__(message)
        self.status, self.condition = status, condition


class LockedError(DavError):
    """Locked, and the request has not the lock's token (423)."""

    def __init__(self, href: str, condition: str = "lock-token-submitted") -> None:
        super().__init__(423, "This is locked by a program. Try again in some minutes.", condition)
        self.href = href
