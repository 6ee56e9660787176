"""Faces, and the portrait ROI around one.

face.py   face detection (MTCNN)
mtcnn.py  the face detector MTCNN (Zhang et al. 2016) by facenet-pytorch; its weights ship in
roi.py    face -> portrait ROI, margins as named numbers
"""
