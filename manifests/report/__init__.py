"""A version's report for people: one self-contained HTML page, or its plots and portraits as one PNG.

    limits.py    how much a report shows
    page.py      the report as one HTML file: style and pictures inside, no script, nothing to load.
    picture.py   the report's plots and portraits as one PNG, on white
    pictures.py  what a report shows of the pixels: the brightness of a sample of pictures, and tiles
    plots.py     the plots of a report: each knows its title, the same in words, and how to draw
    sections.py  a report's sections of plots and tables, in order
    svg.py       a plot as SVG in the colours of the page's theme
    tables.py    tables of a report: names, then numbers
    write.py     a version's statistics -> the report's file

It shows people's faces wherever portraits are drawn; with none (`portraits_drawn` 0) it is numbers, tables and plots.
matplotlib is loaded when the first plot is drawn, and by nothing else in this room.
"""
