"""Where in a large scene the people are.

faces.py       faces found by MTCNN
localizers.py  `--localizer`: where in a large scene the people are
roi.py         boxes around people, and pasting what was predicted in them back softly
tiles.py       images much wider or taller than a square, in overlapping tiles
"""
