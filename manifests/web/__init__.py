"""Shared by every server of this project.

address.py         the address on which a server listens
header_timeout.py  a time limit for a request's headers
serving.py         runs an app until it is stopped
webhooks.py        signed events to addresses that the operator named
"""
