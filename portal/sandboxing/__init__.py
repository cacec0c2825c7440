"""Sandboxes of bubblewrap (bwrap(1)): what the three kinds that the site makes have in common.

    lab/supervisor/sandbox_command.py   Labs, and the fork servers that put Jupyter into them
    lab/environments/build_sandbox.py   builds of environments
    drive/preview/sandbox.py            renderings of other people's files

Standard library only: the Lab's supervisor uses no Django.
"""
