"""Files and blobs: local or remote storage, and atomic writes.

atomic.py      writes a file whole or not at all
blob_cache.py  copies of blobs at a URL on this machine, of bounded size
blobs.py       files named by the SHA-256 of their bytes
bucket.py      objects of an S3 bucket, with their versions
json_text.py   parses JSON of other programs
reading.py     reads a file whole, up to a limit
storage.py     directories and URLs (s3://, ...) of versions and blobs
tombstones.py  forgotten samples and source images, which are not stored again
walk.py        the files below a directory, including linked folders
xml_text.py    parses XML of other programs
"""
