"""`python -m trainer.suspects`: accepted masks that are likely to be wrong.

__main__.py       the command line
label_quality.py  how well a mask agrees with what a network that never saw it says: low is suspicious
ranking.py        the rows' scores, the suspects among them
seen_rows.py      which accepted rows a checkpoint was not fitted on
"""
