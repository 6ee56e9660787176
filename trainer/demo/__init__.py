"""`python -m trainer.demo`: a page that cuts people out of uploaded images.

__main__.py  the command line
cards.py     one image, several networks: overlay, cut-out, person share and milliseconds of each
page.py      the Gradio page; the one module of trainer that imports gradio
server.py    opens networks and serves the page
"""
