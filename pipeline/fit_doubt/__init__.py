"""`python -m pipeline.fit_doubt`: the numbers of pipeline/doubt.py, fitted on masks whose verdict an oracle knows.

Every teacher labels the portraits of trusted rows, those whose mask no teacher made. The oracle rejects masks of a
person IoU below BAD_IOU. A logistic regression from the features of doubt to its verdict is fitted on --manifest's
train split and measured on rows it never saw: those of --on, or the test split. OUTPUT/doubt.png shows both curves.
With --second-opinion the network named there predicts the same portraits, and its gain is fitted and measured too; it
must not have been fitted on any of these images, as it isn't on those that wait for review.

__main__.py      the arguments
judged_masks.py  masks, the inputs of their doubt, and the oracle's verdicts
looks_saved.py   share of masks that need no look
plot.py          ROC and calibration curves
regression.py    verdicts -> numbers of a model
report.py        one line per teacher
run.py           label, fit, measure, print
"""
