"""Backups of a whole site while it runs, and restoring one into an empty site. docs/how-to/backup.md says how and why.

walk.py              walk of a directory that notebooks wrote, by descriptors
manifest.py          manifest of one backup, an SQLite database: one row per file, folder and link
backup_store.py      the backup directory: contents by their SHA-256, complete and unfinished backups
database.py          a snapshot of the site's database, and loading one
create.py            one backup, from the first row to the last file
retention.py         which backups are kept
restic.py            encrypted copies in a restic repository
verify.py            verification: every byte is read again
extract.py           files of a backup, written to a directory
restore.py           a backup restored into an empty site, or written out as plain files
restore_library.py   one library for one person
"""
