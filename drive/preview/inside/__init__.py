"""The program that renders, in a sandbox and without Django: `render` is what is run."""
