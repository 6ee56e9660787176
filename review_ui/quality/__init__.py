"""How good reviewers and masks are: gold samples, error rates, agreement, pace.

agreement.py         agreement of reviewers with each other and with themselves: Cohen's kappa (1960)
counts.py            counts of rows by source, doubt and verdict
error_rates.py       shares with their uncertainty, and the estimate of how many wrong masks were accepted
gold.py              gold samples: masks whose right verdict is known, shown among the others to measure
gold_generation.py   makes gold samples of a version's ground_truth rows: half good masks, half damaged
mask_corruption.py   damaged copies of a good mask: what a careful reviewer must reject
pace.py              pace: stretches of work without a long pause, decisions per minute over time, and
reviewer_quality.py  what the decision log tells about the reviewers: speed, error rates on gold, and
"""
