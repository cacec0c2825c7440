"""Nothing in a library is lost: versions of files, and the trash.

paths.py      how paths stand in the rows
store.py      the content-addressed store: one object per SHA-256, beside the libraries
capture.py    a file's bytes into the store, never torn
records.py    what the rows say about files: seen, written, renamed, deleted
scan.py       what notebooks changed: the disk compared with the rows
trash.py      deleting, restoring, emptying
history.py    what the pages ask: versions of a file, who changed it, going back
retention.py  thinning with age, and removing objects that no version needs
"""
