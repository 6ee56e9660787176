"""`python -m pipeline.generate`: label source images and write the next manifest version, in this process.

__main__.py  the arguments
run.py       check the request, label, print the version
"""
