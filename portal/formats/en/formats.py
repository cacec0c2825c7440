"""Day before month, and a clock of 24 hours (docs.djangoproject.com, "Creating custom format files")."""

DATE_FORMAT = SHORT_DATE_FORMAT = "j M Y"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "j M Y, H:i"
TIME_FORMAT = "H:i"
DATETIME_SECONDS_FORMAT = "j M Y, H:i:s"
"""Of versions; Django has no name for it."""
