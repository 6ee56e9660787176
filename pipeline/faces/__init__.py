"""Faces, and the portrait ROI around one.

face.py   a face, the detector protocol, the limits on faces
mtcnn.py  the face detector MTCNN
pose.py   landmarks -> yaw and roll of the head
roi.py    face -> portrait ROI, margins as named numbers
"""
