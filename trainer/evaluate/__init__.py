"""`python -m trainer.evaluate`: measure networks on a manifest.

__main__.py    the command line
evaluation.py  metrics of checkpoints on a manifest's accepted rows
negatives.py   what a network finds where nobody is
"""
