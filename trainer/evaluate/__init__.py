"""`python -m trainer.evaluate`: measure networks on a manifest.

__main__.py    the command line
evaluation.py  metrics of checkpoints on a manifest's accepted rows
negatives.py   false_person_share, on images without people
"""
