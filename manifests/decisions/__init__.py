"""Decisions: what reviewers said of which mask, and how that becomes the next version.

log.py          the append-only decision log (SQLAlchemy Core)
publish.py      decision log + latest version -> next version
second_look.py  accepted masks that a score doubts -> flags in the decision log
"""
