"""What several tests of backups use."""

import time
from collections.abc import Callable

from backups.backup_store import Backup, BackupError

BackUp = Callable[..., Backup]


def silent(_text: str) -> None:
    """For `progress`."""


def next_second(back_up: BackUp) -> Backup:
    """Backups are named by the second."""
    for _attempt in range(200):
        try:
            return back_up()
        except BackupError:
            time.sleep(0.02)
    raise AssertionError("no second passed")
