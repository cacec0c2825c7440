"""The one process per machine that owns the sandboxes. `python -m lab.supervisor` starts it; it uses no Django.

    linux.py       the system calls that Python lacks
    namespace.py   the Lab's user and mount namespace, kept by a pause process
    view.py        ~/drive of one server: libraries as bind mounts that propagate into the running sandbox
    read_only.py   turning one mount of a running sandbox read-only
    processes.py   finding sandboxes, and who in them holds a library, in /proc
    network.py     slirp4netns for one sandbox
    bwrap.py       the command line of one sandbox
    fork_servers.py  a process per environment that forks servers into their sandboxes
    sandbox.py     one server: start, wait, remount, stop, destroy
    server.py      the unix socket that the portal talks to
    inside/        what runs within the sandbox

No state is kept in files: what exists is read from /proc and from the directories, so that a supervisor that was
killed at any line finds everything again when it starts.
"""
