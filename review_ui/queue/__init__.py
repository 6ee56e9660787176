"""The work, with no web in it: which sample is next, who holds it, what was decided.

decision_state.py  the decision log in memory: what stands, by mask and by reviewer
gold_mix.py        gold samples and repeats, mixed into the stream
group_commit.py    one thread between the web and the session; commits are shared
leases.py          who has which sample on the screen, and until when
open_samples.py    the samples of one version that wait for a verdict, most doubtful first, in bands
session.py         next, decide, undo, release, publish: everything the page does
submission.py      one decision as a client sends it, or why it is none
"""
