"""Files and blobs: where bytes lie, and how a file is written whole or not at all.

atomic.py   a file is written whole or not at all: unique temporary name, fsync, then link or
blobs.py    files named by the SHA-256 of their bytes
storage.py  where versions and blobs lie: a directory, or a URL of a file system that fsspec
walk.py     the files below a directory, through linked folders as well
"""
