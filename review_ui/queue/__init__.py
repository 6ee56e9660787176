"""The work without the web: the next sample, its holder, its decisions.

assignments.py     samples for a reviewer's tab, each under a lease
embedding/         image embeddings, for the queue's order
decision_state.py  the decision log in memory: standing decisions by mask and by reviewer
events.py          events of the session, for webhooks
filters.py         what the queue can be filtered by
gold_mix.py        gold samples and repeats, mixed into the stream
group_commit.py    one thread between the web and the session; commits are shared
guideline.py       the labelling guideline, which the lead edits
leases.py          which reviewer has which sample on screen, and until when
live_state.py      the newest version's state, in step with what other servers write
messages.py        requests and results of the session
open_samples.py    samples of one version that wait for a verdict, most doubtful first
publisher.py       the next version, from the log or by a policy, and going on with it
queue_filter.py    what a queue shows and in which order, as an address holds it
queues.py          the work queue and the second look
review_state.py    one version's review, in memory
selections.py      the rows that pass a filter, in order
session.py         next, decide, undo, release
submission.py      one decision as a client sends it, checked
verdicts.py        submissions -> decisions, or rejections
version.py         the version under review
"""
