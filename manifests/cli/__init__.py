"""The subcommands of `python -m manifests`, a module each, and options of every command line.

A subcommand's module has `add_options(parser)` and `run(options)`; manifests/__main__.py loads it when it is named.

accept.py       `accept`
arguments.py    how a command ends, where warnings go, shared options
converters.py   types of arguments
decide.py       `decide FORMAT PATH`
diff.py         `diff A B`
doctor.py       `doctor`
exporting.py    `export FORMAT OUTPUT V`
forget.py       `forget`
gc.py           `gc`
importing.py    `import`
lineage_log.py  the decision log of a lineage
log.py          `log`
merge.py        `merge OTHER`
program.py      `maskfoundry COMMAND`: the commands of every room under one name
publish.py      `publish`
restore.py      `restore V`
select.py       `select POLICY.toml V`
show.py         `show V`
stats.py        `stats V`
verify.py       `verify V`
"""
