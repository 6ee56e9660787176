"""Tables of SINet's paper, rerun on this machine: the paper's figures beside those of the networks here.

accuracy.py   networks fitted under one recipe by trainer.compare, and their metrics with intervals
commands.py   the tables as commands: fits, page, files
costs.py      parameters, multiply-accumulates, bytes, graph nodes
markdown.py   Markdown tables of padded columns
plot.py       accuracy against a cost, with labels that don't overlap; the Pareto front
published.py  table 3 of the paper, and where the networks here deviate from it
speed.py      latency and training rate of all networks in turn
table1.py     table 1: dilated convolutions
table3.py     table 3: the networks side by side
table4.py     table 4: gates under rotation
table5.py     table 5: branches of the S2 modules
table6.py     table 6: counts for Cityscapes
"""
