"""The work, with no web in it: which sample is next, who holds it, what was decided.

assignments.py     samples for a reviewer's tab, each under a lease
decision_state.py  the decision log in memory: standing decisions by mask and by reviewer
gold_mix.py        gold samples and repeats, mixed into the stream
group_commit.py    one thread between the web and the session; commits are shared
leases.py          who has which sample on the screen, and until when
live_state.py      the newest version's state, in step with the tables that other servers write, too
messages.py        what the session takes and returns
open_samples.py    the samples of one version that wait for a verdict, most doubtful first, in bands
queues.py          the work queue and the second look
review_state.py    one version's review, in memory
session.py         next, decide, undo, release, publish
submission.py      one decision as a client sends it, or why it is none
verdicts.py        submissions -> decisions, or refusals
"""
