"""What must not stand in a log: addresses that open something."""

import logging
import re

OPENING = re.compile(r"""((?:^|[\s"'(=]|://[^/\s]*)/(?:l|collabs/join|rest/v1/collabs/invite)/)[A-Za-z0-9_=:.-]{8,}""")
"""Public links and invitations: whoever has the address has what it opens."""


class HideTokens(logging.Filter):
    """Writes a hyphen in the place of a token, as the proxy's log does."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the message; every record is kept."""
        message = record.getMessage()
        hidden = OPENING.sub(r"\1-", message)
        if hidden != message:
            record.msg, record.args = hidden, ()
        return True
