"""`python -m pipeline.generate`: label source images and write the next manifest version; the Prefect flow, in process.

__main__.py  the arguments
run.py       check the request, run the flow, print the version
"""
