"""What every server of this project shares.

address.py  where a server listens; serving.py runs it
serving.py  running an app until it is stopped
"""
