"""Locating people in a large scene.

faces.py       faces detected by MTCNN
localizers.py  `--localizer`: boxes around the people in a large scene
roi.py         boxes around people, and blending of their predictions
tiles.py       images much wider or taller than a square, in overlapping tiles
"""
