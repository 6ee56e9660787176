"""`python -m pipeline.bridges.label_studio`: a teacher as Label Studio's ML backend.

__main__.py  options, and the server
app.py       the HTTP protocol
config.py    the brush of a labelling interface
images.py    an image that a task names -> its bytes
"""
