"""git, as a link from anybody may have it run in a folder into which others may have written."""
