"""Repair: what a reviewer's stroke or key makes of a mask, computed on the server with OpenCV; no weights.

clean_up.py      keep the largest piece, fill holes, smooth the edge
smart_stroke.py  a stroke on the person or on the background -> the region that belongs to it, by GrabCut
stroke.py        a line drawn with a brush
"""
