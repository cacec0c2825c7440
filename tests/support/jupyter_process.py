"""Code for a cell that looks into its own Jupyter server's process: its memory and its descriptors."""

import base64
import json

JUPYTER = """
import os
def status(pid, key):
    return [l.split(":", 1)[1].split() for l in open(f"/proc/{pid}/status") if l.startswith(key + ":")][0]
def is_jupyter(pid):
    words = open(f"/proc/{pid}/cmdline").read().split("\\0")
    name = open(f"/proc/{pid}/comm").read().strip()
    return name == "jupyter-lab" or words[1:2] == ["/run/lab/inside/start_jupyter.py"]
[jupyter] = [int(n) for n in os.listdir("/proc") if n.isdigit() and is_jupyter(n)]
"""
"""Finds the server's process from one of its kernels."""


def hidden(words: list[str]) -> str:
    """The words for code in a cell, such that sending the cell does not put them into the server's memory."""
    return base64.b64encode(bytes(byte ^ 0x55 for byte in json.dumps(words).encode())).decode()


SEARCH = """
import base64, json
words = [w.encode() for w in json.loads(bytes(b ^ 0x55 for b in base64.b64decode({hidden!r})))]
words += ["".join(chr(c) for c in w).encode("utf-16-le") for w in words]
found, looked = set(), 0
with open(f"/proc/{{jupyter}}/mem", "rb", buffering=0) as memory:
    for line in open(f"/proc/{{jupyter}}/maps"):
        ends, rights = line.split()[:2]
        if "r" not in rights or "[v" in line:
            continue
        begin, end = (int(e, 16) for e in ends.split("-"))
        try:
            memory.seek(begin)
            content = memory.read(end - begin)
        except OSError:
            continue
        looked += len(content)
        found |= {{i for i, w in enumerate(words) if w in content}}
print(json.dumps([sorted(found), looked]))
"""


DESCRIPTORS = """
def links(pid):
    found = set()
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.add(os.readlink(f"/proc/{pid}/fd/{number}"))
        except OSError:
            pass
    return found
def pids(name):
    return [n for n in os.listdir("/proc") if n.isdigit() and open(f"/proc/{n}/comm").read().strip() == name]
"""
