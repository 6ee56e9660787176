"""Shared by every server of this project.

address.py         the address on which a server listens
browser.py         a window of this machine's browser
header_timeout.py  a time limit for a request's headers
serving.py         runs an app until it is stopped, or for a while
webhooks.py        signed events to addresses that the operator named
"""
