"""`python -m trainer.evaluate`: measure networks on a manifest.

__main__.py    the command line
evaluation.py  `python -m trainer.evaluate`
negatives.py   what a network finds where nobody is
"""
