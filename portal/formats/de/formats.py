"""Day before month, and a clock of 24 hours (DIN 5008)."""

DATE_FORMAT = SHORT_DATE_FORMAT = "d.m.Y"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "d.m.Y, H:i"
TIME_FORMAT = "H:i"
DATETIME_SECONDS_FORMAT = "d.m.Y, H:i:s"
"""Of versions; Django has no name for it."""
