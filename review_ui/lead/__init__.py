"""The lead's page, which is Gradio's.

accept_tab.py        accepting masks without a look, with a bound
activity_command.py  `python -m review_ui activity`
first_figures.py     the first figures as a plain page, while Gradio is imported
html.py              tables, stacked bars, cards and a line chart from templates/: they follow the page's theme
page.py              the Blocks of the lead's page
snapshot.py          all figures of the page at one moment
tables.py            figures as tables and bars
tabs.py              the tabs that show figures, each a function of one snapshot
"""
