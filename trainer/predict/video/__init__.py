"""Frames, their times, sound and motion, and masks that don't flicker.

camera.py        frames of the machine's camera, read by OpenCV
footage.py       opening footage: a video file or a camera
frame_times.py   presentation times of a file's frames
frames.py        open footage, as frames with their times
optical_flow.py  motion of a frame's pixels
orientation.py   frames as players show them: turned and mirrored
smoothing.py     `--smooth`: one mask per frame that doesn't flicker
sound.py         the sound of a video file, copied or re-encoded
video_file.py    frames of a video file, read by PyAV
writing.py       frames and sound into a video file
"""
