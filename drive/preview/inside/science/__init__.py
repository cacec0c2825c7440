"""Science's files, each read by its field's own library.

    drawing.py   pictures, plots, heads of arrays and steppers, as HTML without scripts
    tables.py    rows as JSON for the portal's page

The other modules are a format each. What is read is bounded before it is read: a file may be larger than the memory,
and its header may promise anything.
"""
