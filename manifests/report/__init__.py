"""A version's report: one self-contained HTML page, or its plots and portraits as one PNG.

    limits.py    default number of portraits
    page.py      the report as one HTML file
    picture.py   the report as one PNG
    pictures.py  pixels in a report: brightness of sampled images, and tiles of portraits
    plots.py     plots with titles and text alternatives
    sections.py  the sections of a report, in order
    svg.py       a plot as SVG in the colours of the page's theme
    tables.py    tables of a report: names, then numbers
    write.py     a version's statistics -> the report's file

Portraits show people's faces; with `portraits_drawn` 0 the report has only numbers, tables and plots. matplotlib is
loaded when the first plot is drawn.
"""
