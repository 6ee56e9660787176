"""The lead's first figures, as a plain page: Gradio takes seconds to import, and a lead needn't wait for that."""

from datetime import UTC, datetime

from manifests.errors import UserError
from review_ui.lead.html import render
from review_ui.lead.snapshot import LeadSession, take_snapshot
from review_ui.lead.tabs import TABS, heading


def first_figures(session: LeadSession) -> str:
    """Heading and progress of the lead's page, in a page that reloads until the whole one is there."""
    try:
        snapshot = take_snapshot(session, datetime.now(UTC))
        parts = {"heading": heading(snapshot), "progress": TABS["Progress"](snapshot)}
    except UserError as error:
        parts = {"heading": render("error.html", error=error), "progress": ""}
    return render("first_figures.html", **parts)
