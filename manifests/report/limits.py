"""Default limits of a report."""

PORTRAITS_DRAWN = 24  # of each status
