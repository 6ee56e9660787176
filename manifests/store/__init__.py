"""Versions: the columns of a manifest, and an immutable Parquet file for each version.

hexdigits.py      columns of hex digits, checked and compared as numbers
manifest.py       immutable versions `v<N>.parquet`, committed exclusively; `CommitConflict`
row_groups.py     a version's rows in its file: written and read a row group at a time, so that any
row_patch.py      what one operation does to a version: some cells of some rows get other values, and
schema.py         the columns of a manifest, and `validate`, which lists every violation at once
table_rules.py    the two rules of a manifest that no row can break alone: no sample_id twice, no
training_rows.py  the accepted rows of a version: what networks are fitted on, and measured against
version_spec.py   which version a user means: 3, v3, a path
"""
