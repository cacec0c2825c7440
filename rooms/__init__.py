"""Co-editing: several people in one file of a library, whose changes merge as they type (CRDT, Yjs protocol)."""
