"""Colours that mean the same on every page and plot."""

STATUS_COLORS = {"accepted": "#2f9e62", "rejected": "#d1503f", "conflict": "#e0a021", "pending": "#98a2b3"}
COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7a6ff0", "#8a8a8a")  # Okabe and Ito
