"""`python -m trainer.web_demo`: a static page that runs the network in the browser.

__main__.py         the command line
network.py          the network of that page
onnxruntime_web.py  what runs it in the browser
site.py             the page's files, written
"""
