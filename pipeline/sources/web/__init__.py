"""Lists of URLs, fetched politely, safely and within limits.

addresses.py   which addresses may be connected to, checked on the connection itself
fetch.py       one URL -> bytes or a reason, with retries and redirects
host_slots.py  how many requests run at a time
request.py     one GET request, on a connection of its own
retries.py     which failures are worth another try, and when
robots.py      what a host's robots.txt allows
url_list.py    a list of URLs (.txt, .csv, .parquet), and the image behind one
"""
