"""Previews of files, by name and first bytes.

    kinds.py      file types and previews
    formats.py    types of files that are rendered in the sandbox
    pictures.py   types of pictures that browsers show
    media.py      types of sound and video that browsers play
    texts.py      bytes as text
    tables/       text as a table
    rendering.py  what is rendered: asked for, made once, kept
    ahead.py      notebooks rendered after a save, before anybody asks
    sandbox.py    the process in which that is done
    inside/       programs that run in processes of their own

Content is somebody else's, of any size, and may change while it is read: reads are bounded, and no content stands on a
page of the portal other than as text, as a picture, or as Markdown that was cleaned (portal/text/markdown.py).
"""
