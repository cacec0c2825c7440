"""Seafile's Web API over the Drive: `/api2/`, `/api/v2.1/` and `/seafhttp/`, for ebrains-drive, seafileapi2 and rclone.

    views.py       the three addresses: which function answers, who asks, what goes wrong;  errors.py
    calls.py       one request: its person, its fields, its path, its library
    account.py     version, tokens, what a person uses;  libraries.py: libraries, with unique names
    listing.py     folders and files as JSON;  changes.py: create, rename, delete;  transfers.py: move, copy, batches
    links.py       addresses below /seafhttp/, which carry the right to one thing
    downloads.py   files and archives;  uploads.py with multipart.py and chunks.py: files that come
    sharing.py     public links, and shares of libraries

Every change is one of drive.files.operations, as on the pages. What clients rely on is in docs/how-to/seafile.md.
"""
