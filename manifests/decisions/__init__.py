"""Decisions: verdicts of reviewers on masks, and how they become the next version.

database.py     SQLite or PostgreSQL: opening it, and writers that take turns
decision.py     one verdict on one exact mask, and its undo
edits.py        repaired masks: into their rows, and back out
error_bound.py  an audit's verdicts -> upper limit of wrong masks, after any look
log.py          the append-only decision log
policy.py       standing votes -> the status of a mask
publish.py      decision log + latest version -> next version
second_look.py  accepted masks that a score doubts -> flags in the decision log
"""
