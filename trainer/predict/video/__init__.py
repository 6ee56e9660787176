"""Frames, their times, sound and motion, and masks that don't flicker.

camera.py        frames of the machine's camera, read by OpenCV
footage.py       opening footage: a video file or a camera
frame_times.py   when a file's frames are shown
frames.py        footage that is open, as frames with their times
optical_flow.py  how a frame's pixels moved
orientation.py   frames as players show them: turned and mirrored
smoothing.py     `--smooth`: one mask per frame that doesn't flicker
sound.py         the sound of a video file, copied or encoded anew
video_file.py    frames of a video file, read by PyAV
writing.py       frames and sound into a video file
"""
