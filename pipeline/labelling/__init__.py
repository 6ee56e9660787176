"""From an image to samples: single, in shards, and committed as a version.

commit.py       rows of a run -> one manifest version
destination.py  where the version and its blobs go
label.py        source images -> portraits with masks (case 1 or 2)
labeller.py     the four steps of labelling one item
relabel.py      new masks for samples of the dataset
report.py       report of a run: counts, a page, a contact sheet
shards.py       a few hundred images labelled together; finished ones are remembered
unfinished.py   the labelled part of an unfinished shard: a stopped run keeps it
work.py         protocol of labelling and relabelling: items, rows, a digest
"""
