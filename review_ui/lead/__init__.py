"""The lead's page, which is Gradio's.

html.py      tables, stacked bars, cards and a line chart as HTML: they follow the page's theme
mount.py     the lead's page as an app of its own: Gradio, mounted where the site wants it.
page.py      the Blocks of the lead's page
snapshot.py  all figures of the page at one moment
tables.py    what the lead's tabs say of a review's figures, as HTML. No Gradio in here
tabs.py      the tabs that show figures, each a function of one snapshot
"""
