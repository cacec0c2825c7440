"""Backups of a whole site while it runs, and restoring one into an empty site. docs/how-to/backup.md says how and why.

walk.py        everything below a directory that notebooks wrote, by descriptors
manifest.py    what one backup holds: a small SQLite database, one row per file, folder and link
backup_store.py  the directory with the backups: contents by their SHA-256, complete and unfinished backups
database.py    a snapshot of the site's database, and loading one
create.py      one backup, from the first row to the last file
verify.py      reading it all again
extract.py     files of a backup, written to a directory
restore.py     a backup restored into an empty site, or written out as plain files
"""
