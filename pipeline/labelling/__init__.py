"""From an image to samples: single, in shards, and committed as a version.

commit.py       finished shards -> one manifest version
destination.py  where the version and its blobs go
label.py        source images -> portraits with masks (case 1 or 2)
labeller.py     the four steps of an item, whichever work it is part of
relabel.py      new masks for samples that the dataset has already
report.py       what a run made, for people: counts, a page, a contact sheet
shards.py       a few hundred pictures at a time: label them, remember what is finished
work.py         what labelling and relabelling have in common: items, rows, a digest
"""
