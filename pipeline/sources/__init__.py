"""Sources of images: `--images` -> source images that can be read and fingerprinted.

limits.py           the named limits of fetching and reading
local.py            a file
remote.py           a file in a file system that fsspec knows (s3://, gs://, ...)
resolve.py          `--images` -> source images
source_image.py     one source image: its place, its mask (case 1)
source_metadata.py  metadata shared by all images of a source
tars.py             a member of a tar shard in webdataset's layout, read in place
urls.py             URLs without the credentials in them
web/                lists of URLs
"""

from pipeline.sources.resolve import default_source, find_pictures, unread_files, without_blobs
from pipeline.sources.source_image import Picture
from pipeline.sources.source_metadata import Origins, find_mask_encoding

__all__ = [
    "Origins",
    "Picture",
    "default_source",
    "find_mask_encoding",
    "find_pictures",
    "unread_files",
    "without_blobs",
]
