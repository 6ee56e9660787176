"""Operations on whole versions: compare, merge, restore, select.

diff.py           two versions -> rows added, removed, re-decided, re-labelled
lineages.py       another lineage of versions, and the last version that it has in common with this one
merge.py          another lineage's rows and blobs -> next version; conflicts (lineages.py: the common
merged_splits.py  groups and splits of two lineages put together: what was held out stays so
restore.py        an older version's rows -> next version; what becomes of later verdicts
selection.py      policy + version -> the rows it takes, a version of a line of its own
"""
