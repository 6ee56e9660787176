"""Decisions: verdicts of reviewers on masks, and how they become the next version.

accept.py         a bounded part of the queue -> the next version, with a policy's name
acceptance.py     parts of the queue, their bounds, and how long their audits take
activity.py       who signed in, published, downloaded: the activity log
audit.py          a random order of the queue, and people's verdicts in it
database.py       SQLite or PostgreSQL: opening it, and writers that take turns
decision.py       one verdict on one exact mask, and its undo
edits.py          repaired and chosen masks: into their rows, and back out
error_bound.py    an audit's verdicts -> upper limit of wrong masks, after any look
gold_verdicts.py  false accepts of damaged gold
log.py            the append-only decision log
log_parts.py      what restores and merges write to the log, also after a crash
pairs.py          rows with two masks to choose from
policy.py         standing votes -> the status of a mask
publish.py        decision log + latest version -> next version
second_look.py    accepted masks that a score doubts -> flags in the decision log
since_publish.py  the samples that a publish must look at
tagged.py         verdicts given in another tool -> decisions in the log
"""
