"""Variable-length integers and strings of lib0, in which Yjs writes its updates and messages."""


class WireError(Exception):
    """The bytes end too early, or are none of lib0's."""


class Reader:
    """Reads from the front of some bytes; every method raises WireError where there is not enough left."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes that have not been read."""
        return len(self.data) - self.at

    def byte(self) -> int:
        """One byte."""
        try:
            value = self.data[self.at]
        except IndexError as error:
            raise WireError("The message ends too early.") from error
        self.at += 1
        return value

    def uint(self) -> int:
        """An unsigned integer, of at most eight bytes: JavaScript's are below 2⁵³."""
        data, at = self.data, self.at  # written for speed: nearly all of an update are such integers
        value = shift = 0
        try:
            while (byte := data[at]) > 127:
                value |= (byte & 127) << shift
                shift += 7
                at += 1
                if shift > 49:
                    raise WireError("This integer is too large.")
        except IndexError as error:
            raise WireError("The message ends too early.") from error
        self.at = at + 1
        return value | byte << shift

    def skip(self, size: int) -> None:
        """Pass over some bytes."""
        if size > self.left:
            raise WireError("The message ends too early.")
        self.at += size

    def bytes(self) -> bytes:
        """Bytes with their length before them."""
        size = self.uint()
        start = self.at
        self.skip(size)
        return self.data[start : self.at]

    def text(self) -> str:
        """UTF-8 with its length before it."""
        try:
            return self.bytes().decode()
        except UnicodeDecodeError as error:
            raise WireError("This is no UTF-8.") from error


def uint(value: int) -> bytes:
    """An unsigned integer."""
    written = bytearray()
    while value > 127:
        written.append(128 | value & 127)
        value >>= 7
    written.append(value)
    return bytes(written)


def sized(data: bytes) -> bytes:
    """Bytes with their length before them."""
    return uint(len(data)) + data


def text(value: str) -> bytes:
    """UTF-8 with its length before it."""
    return sized(value.encode())


def state_vector(data: bytes) -> dict[int, int]:
    """Yjs' state vector: of each client the clock up to which its items are known."""
    reader = Reader(data)
    return {reader.uint(): reader.uint() for _ in range(reader.uint())}
