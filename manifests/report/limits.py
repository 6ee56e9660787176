"""How much a report shows."""

PORTRAITS_DRAWN = 24  # of each status
