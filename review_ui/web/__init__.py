"""The HTTP side of the review page.

api.py             the session over HTTP (FastAPI)
decisions_file.py  the decisions as a file
lazy_mount.py      a part of the site that is built when somebody first asks for it
origin_check.py    keeps other sites' pages away from a server on this machine
review_page.py     the review page; static/ is the viewer itself
"""
