"""`python -m manifests.run`: label images and review their masks meanwhile: two processes, one console.

__main__.py   the arguments, and a look at the machine first
console.py    the lines of both processes, above one progress bar
processes.py  start, watch and stop the two
"""
