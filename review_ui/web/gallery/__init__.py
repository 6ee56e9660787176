"""The gallery: masks that have a verdict, filtered, each with an address that can be sent to a colleague. For leads.

filters.py  what to show, from the page's address
cards.py    the masks of one page of the gallery, with the statuses of now
page.py     the HTML page, without a script
"""
