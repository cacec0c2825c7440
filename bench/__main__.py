"""`python -m bench NAME`, with the settings of a site of its own: bin/bench makes them."""

import importlib
import sys

import django

if __name__ == "__main__":
    django.setup()
    importlib.import_module(f"bench.{sys.argv[1]}").main()
