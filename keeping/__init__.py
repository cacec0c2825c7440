"""Backups of a whole site while it runs, and restoring one into an empty site. docs/how-to/backup.md says how and why.

walking.py     everything below a directory that notebooks wrote, by descriptors
manifest.py    what one backup holds: a small SQLite database, one row per file, folder and link
shelf.py       the directory with the backups: contents by their SHA-256, complete and unfinished backups
database.py    a snapshot of the site's database, and loading one
making.py      one backup, from the first row to the last file
verifying.py   reading it all again
restoring.py   the way back
"""
