"""Versions: the columns of a manifest, and an immutable Parquet file for each version.

file_metadata.py   a version's metadata in its file, checked when it is read
hexdigits.py       columns of hex digits, checked and compared as numbers
labelling_runs.py  progress of the runs that label images, in a small file each
manifest.py        immutable versions `v<N>.parquet`, committed exclusively; `CommitConflict`
row_groups.py      a version's rows in its file, written and read a row group at a time
row_patch.py       the changes of one operation: new values in some cells, dropped rows, added rows
schema.py          the columns of a manifest
table_rules.py     rules across rows: no sample_id twice, no near-duplicate group in two splits
training_rows.py   the accepted rows of a version, for fitting and evaluation
validation.py      `validate`, which lists every violation of the schema at once
version_spec.py    the version that a user names: 3, v3, a path
"""
