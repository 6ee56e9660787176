"""`python -m pipeline.second_opinion`: another network looks at what waits for review; where it differs, doubt grows.

The review queue is ordered by doubt. A network that had no part in a mask, the student fitted on what was accepted so
far for one, draws its own; how far apart the two are changes the mask's doubt (pipeline/doubt.py), in the next version.
Masks stay as they are. Asked again, of the same or of another network, doubt is made anew from the mask's own scores.

__main__.py  the arguments
opinions.py  pending masks -> opinions -> the next version
run.py       ask, commit, print
"""
