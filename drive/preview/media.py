"""Types of sound and video that browsers play."""

AUDIO = {
    "aac": "audio/aac",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
}
VIDEO = {"m4v": "video/mp4", "mov": "video/mp4", "mp4": "video/mp4", "ogv": "video/ogg", "webm": "video/webm"}
TYPES = AUDIO | VIDEO
"""Media types by file name extension. None of them is anything that a browser shows as a page or runs."""
_MAGIC = (b"fLaC", b"ID3", b"OggS", b"\x1a\x45\xdf\xa3")
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free")


def is_playable(content: bytes) -> bool:
    """True if these are the first bytes of sound or video in one of the types."""
    is_wave = content[:4] == b"RIFF" and content[8:12] == b"WAVE"
    is_frame = content[:1] == b"\xff" and content[1:2] >= b"\xe0"  # of MPEG audio, which may have no other head
    return content.startswith(_MAGIC) or is_wave or is_frame or content[4:8] in _BOXES
