"""The subcommands of `python -m manifests`, and what every command line shares.

arguments.py  what every command of this project has in common: how it ends (0 done, 1 one clear
exporting.py  `python -m manifests export FORMAT OUTPUT [V]`
importing.py  the options, and what runs them
lineages.py   `python -m manifests restore V` and `python -m manifests merge OTHER`
"""
