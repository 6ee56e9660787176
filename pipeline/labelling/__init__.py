"""From an image to samples: single, in shards, and committed as a version.

commit.py    finished shards -> one manifest version
labeller.py  one image -> samples (case 1 or 2), or a reason
relabel.py   new masks for samples that the dataset has already
report.py    what a run made, for people: counts, a page, a contact sheet
shards.py    a few hundred pictures at a time: label them, remember what is finished
"""
