"""`python -m pipeline.evaluate`: how good teachers are, and how well `doubt` finds their bad masks.

Every teacher labels the portraits of a manifest's accepted rows as it would label new ones; its masks are measured
against theirs. A mask is bad when its person IoU is below BAD_IOU.

__main__.py       the arguments
table.py          one line per teacher
teacher_score.py  a teacher's masks, measured
"""
