"""`python -m trainer.fit`: fit a network on a manifest's accepted rows.

__main__.py             the command line
batch.py                one training batch
batch_norms.py          whether batch norm can train on a run's batches
configuration.py        everything that decides a run's weights
connectivity.py         the loss of islands and breaks
consistency.py          the loss between two views of an image
contradictions.py       choices of a recipe that exclude each other
crf.py                  the loss between pixels nearby and alike in colour
distillation.py         targets mixed with teachers' probabilities
distillation_losses.py  losses against teachers: per pixel, channel-wise, boundary and body apart
distributed.py          Lightning Fabric: one process or several
edge_head.py            networks with an edge head, and its loss
ema.py                  moving average of the weights
fit_run.py              the parts of a run, built from its configuration
gathered_loss.py        the loss of the whole batch in each of several processes
heads.py                second heads of networks, trained by a recipe
live_teachers.py        teachers that see the student's crops
loop.py                 the stages and epochs of a run
losses.py               cross-entropy, Lovasz, Dice, focal, and the boundary term
malloc.py               the C library's allocator, set for training
matting_head.py         networks with a matting head, and its loss
metrics_log.py          CSV and TensorBoard
objective.py            network and loss as one function, compiled
one_voice.py            output and errors of several processes, printed once
options.py              the command-line options
recipe.py               every choice of a run by name; the presets
report.py               curves, sheet of predictions, model card
run.py                  a run: started, resumed or finished
run_files.py            checkpoints and config.json of a run
run_state.py            the state of an unfinished run
schedule.py             the learning rate
stage_objective.py      the loss of a stage, compiled or gathered
steps.py                one epoch: stages, steps, batches
trackers.py             trackio, MLflow, Weights & Biases
training_data.py        both splits, decoded, and images without people
"""
