"""Quality of reviewers and masks: gold samples, error rates, agreement, pace.

agreement.py         agreement of reviewers with each other and with themselves: Cohen's kappa (1960)
counts.py            counts of rows by source, doubt and verdict
error_rates.py       shares with their uncertainty, and the estimate of how many wrong masks were accepted
gold.py              gold samples: masks whose right verdict is known, mixed into the work
gold_generation.py   gold samples from ground_truth rows: half good masks, half damaged
mask_corruption.py   damaged copies of a good mask, which a careful reviewer rejects
pace.py              stretches of work, decisions per minute over time, forecast
repair_agreement.py  IoU of two reviewers' repairs of one mask
repairs.py           each reviewer's repairs: how many, how long, how far they moved the masks
reviewer_quality.py  each reviewer's speed, error rates on gold and estimate of wrong accepted masks
teacher_choices.py   which teacher is better, by choices between two masks of one sample
"""
