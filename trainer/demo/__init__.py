"""`python -m trainer.demo`: a page that cuts people out of uploaded images.

__main__.py  the command line
cards.py     one picture, several networks: overlay, cut-out, person share and milliseconds of
page.py      the Gradio page; the one module of trainer that imports gradio
server.py    networks opened, the page served
"""
