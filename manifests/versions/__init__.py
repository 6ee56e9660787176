"""Operations on whole versions: compare, merge, restore, select.

diff.py           two versions -> rows added, removed, re-decided, re-labelled
lineages.py       another lineage of versions, and the common ancestor
merge.py          another lineage's rows and blobs -> next version, or conflicts
merged_splits.py  groups and splits of two merged lineages; held-out samples stay held out
policy_file.py    TOML -> a selection's policy
restore.py        an older version's rows -> next version; undoes later verdicts
selection.py      policy + version -> the selected rows, as a version under selections/
"""
