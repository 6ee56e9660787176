"""Where pictures come from: what `--images` may be -> pictures that say how they are read and by what they are known.

finding.py       `--images` -> pictures: which kind of source it is, and the source's name
picture.py       one picture: its place, its mask (case 1), what is stated of it
origins.py       what is said of every picture of a source
local.py         a file
remote.py        a file in a file system that fsspec knows (s3://, gs://, ...)
tars.py          a member of a tar shard in webdataset's layout, read where it lies
web_list.py      a list of URLs (.txt, .csv, .parquet), and the picture behind one
fetch.py         one URL -> bytes or a reason; politely, and never without end
request.py       one GET request, on a connection of its own
addresses.py     which addresses may be connected to, checked on the connection itself
robots.py        what a host's robots.txt allows
host_slots.py    how many requests run at a time
retries.py       which failures are worth another try, and when
urls.py          URLs without the credentials in them
limits.py        the named numbers of all that
"""

from pipeline.sources.finding import default_source, find_pictures, without_blobs
from pipeline.sources.origins import Origins, find_mask_encoding
from pipeline.sources.picture import Picture

__all__ = ["Origins", "Picture", "default_source", "find_mask_encoding", "find_pictures", "without_blobs"]
