"""`python -m pipeline.face_attributes`: faces, yaw and roll of a dataset's samples, as attributes for slices.

Each sample's image is searched for faces. The attributes are their number, and the yaw and roll of the largest in fixed
steps. No version is made; `trainer.evaluate --slices` and the report of a version read them.

__main__.py    the arguments
attributes.py  an image's faces -> the values of its attributes
run.py         search, write, print
"""
