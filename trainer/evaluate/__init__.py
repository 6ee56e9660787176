"""`python -m trainer.evaluate`: measure networks on a manifest.

__main__.py      the command line
evaluation.py    metrics of checkpoints on a manifest's accepted rows
negatives.py     false_person_share, on images without people
slice_tables.py  metrics by slice as text, CSV and Markdown
slices.py        metrics by slice: face size, light, source, ...
"""
