"""The HTTP side of the review page.

answers.py         schemas of the API's answers
api.py             the session over HTTP (FastAPI)
api_version.py     /api/v1/...
body_limit.py      the bytes of a request's body
first_masks.py     the answers before there is a version
gallery/           masks that have a verdict, filtered (leads)
gradio_mount.py    Gradio Blocks as an app of its own
lazy_mount.py      a part of the site that is built on its first request
log_files.py       the decisions and the activity log as files
openapi.py         the OpenAPI document of the API
origin_check.py    Host, Origin and content security policy
refinement.py      an action on a mask under repair
reloading_page.py  a page of one line that reloads by itself
repaired_masks.py  base64 of a repaired mask -> a blob
review_page.py     the HTML page around the viewer of static/
root_path.py       the path below which a proxy shows the server
source_image.py    the source image around a sample
"""
