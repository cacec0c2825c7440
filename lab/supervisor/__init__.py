"""The supervisor: the process, one per machine, that owns the sandboxes of Labs; `python -m lab.supervisor`, no Django.

    server.py         the unix socket that the portal talks to
    sandbox.py        one server: start, wait, remount, stop, destroy
    launch.py         what is put together for one launch: variables, configuration, files
    sandbox_command.py  the command line of one sandbox
    fork_servers.py   a process per environment that forks servers into their sandboxes
    conda_env.py      variables of an activated environment
    api_token.py      the portal's API inside the sandbox: socket and token
    drive_plan.py     which libraries stand where in a Drive, and the changes from one such view to another
    drive_view.py     ~/drive of one server: libraries as mounts that come, go and change in the running sandbox
    change_mounts.py  changing mounts of a running sandbox, by a thread within its namespace
    server_log.py     what one server prints: a pipe, read into files of limited size
    disk_limits.py    disk of one server, measured and limited
    drive_limits.py   number of files in the Drive's libraries, as Labs make them
    cgroups.py        memory, processor and processes of one server, limited by the kernel
    namespace_limits.py  what the kernel counts per user id, limited per sandbox
    uids.py           a uid of the kernel for each Lab, and mounts in which it sees the site's files as its own
    network.py        slirp4netns for one sandbox
    processes.py      finding sandboxes, and who in them holds a library, in /proc
    namespace.py      the Lab's user and mount namespace, kept by a pause process
    linux.py          the system calls that Python lacks
    inside/           what runs within the sandbox

No state is kept in files: what exists is read from /proc and from the directories, so that a supervisor that was
killed at any line finds everything again when it starts.
"""
