"""Messages between a page and its room: one binary WebSocket message each, its type in the first byte.

0 sync and 1 awareness are y-protocols' own (sync step 1, step 2, update). 2 is a "raw" message of jupyter-docprovider,
a string (its length in bytes as a variable-length integer, then UTF-8):

- page to room: `save`, then a number; the room answers with JSON
  `{"type": "save", "responseTo": number, "status": "success" | "failed"}`.
- room to page: JSON `{"type": "room", ...}`, what the page has to know about the room, whole each time. It is sent to
  each client when it connects and whenever any of it changes; nobody but the room can send it. Its keys:

  `path`    path of the file within its library, which changes when the file is renamed or moved (the page's own path
            ends with the earlier one)
  `write`   false when this client may not write: what it types stays in its page
  `saved`   true when all that the room has is in the file
  `words`   list of what hinders saving, or happened; empty when all is well. Each is
            `{"state": STATE, "text": "a sentence for people", "by": "name, or empty"}` with STATE one of
            `deleted` (the file is gone; typing is kept in the room), `no-space`, `quota`, `read-only` (archived, or the
            file's mode), `failed` (saving failed for another reason, and is tried again), `unreadable` (somebody
            outside wrote what is no document; those bytes are a version, the next save replaces them), `merged`
            (somebody outside wrote the file, and it was merged; shown for some seconds)

The room closes a connection with 1003 and JSON of at most 123 bytes as the reason, which jupyter-docprovider shows:
`{"reason": "unknown_session", "reloadable": bool, "errorReason": "sentence"}`; with 4400 when it was sent nonsense;
with 4429 when the client is too far behind.
"""
