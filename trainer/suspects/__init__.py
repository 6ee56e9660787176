"""`python -m trainer.suspects`: accepted masks that are likely to be wrong.

__main__.py       the command line
label_quality.py  agreement of a mask with a network that wasn't fitted on it
ranking.py        the rows' scores, the suspects among them
seen_rows.py      which accepted rows a checkpoint was not fitted on
"""
