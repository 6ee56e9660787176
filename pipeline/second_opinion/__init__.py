"""`python -m pipeline.second_opinion`: another network predicts the pending masks; where they differ, doubt grows.

The review queue is ordered by doubt. A network that had no part in a mask, such as the student fitted on the samples
accepted so far, predicts its own; the IoU of the two changes the mask's doubt (pipeline/doubt.py) in the next version.
Masks stay as they are. Every run, of the same or of another network, computes doubt from the mask's own scores.

__main__.py  the arguments
opinions.py  pending masks -> opinions -> the next version
run.py       predict, commit, print
"""
