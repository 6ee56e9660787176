"""`python -m trainer.web_demo`: a static page that runs the network in the browser.

__main__.py         the command line
network.py          the network of that page
onnxruntime_web.py  ONNX Runtime Web, which runs it in the browser
site.py             writes the page's files
"""
