"""Bytes that connections hold in memory: messages that have not come as a whole, and those that have not gone.

The process has everybody's documents. So that nobody takes its memory from the others, what the connections of one
person hold has a bound, and what all hold has one: of what is left of that, nobody may have more than half, so that
there is always something left for who comes next.
"""

from collections import Counter

MESSAGE_OVERHEAD = 16 << 20
"""Bytes of the largest message beyond COEDITING_MAX_BYTES: a page that was away sends all that it has typed and run at
once, outputs included, which is at most a whole file; in Yjs' format each of its parts (500,000 at most, see
`rooms.room.updates`) takes some thirty bytes besides what is in it."""
MESSAGES_OF_PERSON = 4
MESSAGES_IN_ALL = 12
"""How many of the largest messages connections may hold: as many as a person may have files of the largest size."""


class HeldBytes:
    """The account. One event loop."""

    def __init__(self, of_person: int, in_all: int) -> None:
        self.of_person = of_person
        self.in_all = in_all
        self.by_person: Counter[int] = Counter()
        """By the person's id."""

    def change(self, person: int, by: int) -> bool:
        """Count so many bytes more, or less; False if that is more than the person may hold now. It is counted all the
        same: whoever asks has to let go of them.
        """
        self.by_person[person] += by
        if self.by_person[person] <= 0:
            del self.by_person[person]
        return by <= 0 or self.by_person[person] <= min(self.of_person, self.in_all - self.by_person.total())


def most_message(max_file: int) -> int:
    """Bytes of one message, where files may have so many."""
    return max_file + MESSAGE_OVERHEAD


held = HeldBytes(0, 0)
"""Of this process; the application says how much."""


def set_bounds(max_file: int) -> None:
    """For a site whose files may have so many bytes."""
    held.of_person = MESSAGES_OF_PERSON * most_message(max_file)
    held.in_all = MESSAGES_IN_ALL * most_message(max_file)
