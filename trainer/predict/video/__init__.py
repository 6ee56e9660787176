"""Frames, their motion, and masks that don't flicker.

frames.py        frames out of and into video files, one at a time
optical_flow.py  how a frame's pixels moved
smoothing.py     `--smooth`: one mask per frame that doesn't flicker
"""
