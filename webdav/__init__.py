"""WebDAV (RFC 4918, class 2) over the Drive: `/dav/`, the four folders, then libraries and their files, as in a Lab.

    views.py        the address: who asks, which method, what goes wrong
    access.py       the person and the token of a request
    paths.py        addresses: what stands at one, and the Destination of a copy or move
    reading.py      OPTIONS, GET, HEAD, and PROPFIND with `listing.py` and `live_properties.py`
    writing.py      PUT, DELETE, MKCOL, COPY, MOVE;  uploads.py: what is asked before the body of a PUT is read
    locks.py        LOCK and UNLOCK, and what a lock keeps from others;  conditions.py: the If header
    dead_properties.py  PROPPATCH, and what programs store with files;  checksums.py: hashes that a program sent
    xml_bodies.py   XML in and out
    clutter.py      `.DS_Store` and its like, which never reach a library

Every change is one of drive.files.operations, as on the pages.
"""
