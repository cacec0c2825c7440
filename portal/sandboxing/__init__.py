"""Sandboxes of bubblewrap (bwrap(1)): the one builder of all kinds, and their filter of system calls (seccomp(2)).

Of what each kind sees, and what runs in it:

    lab/supervisor/sandbox_command.py   Labs, and the fork servers that put Jupyter into them
    lab/environments/build_sandbox.py   builds of environments
    drive/preview/sandbox.py            renderings of other people's files

Standard library only: the Lab's supervisor uses no Django.
"""
