"""The lead's page in ordinary Gradio: figures, reviewers, second look, problems, log, publish, accept, guideline.

`lead_blocks(session)` makes it, `lead_tab(session)` makes it a tab of other Blocks; the caller must protect the route.
All tabs but Publish show one `Snapshot`, taken when the page opens, when Refresh is pressed and every two minutes.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import gradio as gr

from manifests.decisions.activity import Actor
from manifests.decisions.policy import Policy
from manifests.errors import UserError
from review_ui.lead.accept_tab import accept_tab, actor_of
from review_ui.lead.html import STYLE, render
from review_ui.lead.snapshot import LeadSession, Snapshot, take_snapshot
from review_ui.lead.tables import status_summary
from review_ui.lead.tabs import TABS, heading
from review_ui.quality.counts import tally

REFRESH_SECONDS = 120  # the figures of 200,000 decisions on a million rows take seconds
CONFLICT_CHOICES = [
    ("leave it a conflict, for a second look", "keep"),
    ("reject the mask", "reject"),
    ("do as most of them say; a tie stays a conflict", "majority"),
]


def lead_blocks(session: LeadSession, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> gr.Blocks:
    """The page; it reads nothing from the session before a browser opens it."""
    with gr.Blocks(title="Review board", analytics_enabled=False, fill_width=True) as blocks:
        _lead_page(session, blocks.load, now)
    return blocks


def lead_tab(session: LeadSession, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
    """The page as a tab of the Tabs under construction; it reads nothing before the tab is opened."""
    with gr.Tab("Lead") as tab:
        _lead_page(session, tab.select, now)


def _lead_page(session: LeadSession, opened: Callable[..., Any], now: Callable[[], datetime]) -> None:
    """All of the page; `opened` is the event with which it is filled."""
    with gr.Row():
        shown: dict[gr.HTML, Callable[[Snapshot], str]] = {_html(): heading}
        refresh = gr.Button("Refresh", size="sm", scale=0, min_width=120, elem_id="refresh")
    with gr.Tabs():
        for label, view in TABS.items():
            with gr.Tab(label):
                shown[_html()] = view
        with gr.Tab("Publish"):
            choices, outcome, published = _publish_tab(session)
        with gr.Tab("Accept"):
            accepted = accept_tab(session, opened)
        with gr.Tab("Guideline"):
            _guideline_tab(session, opened)

    def show() -> list[Any]:
        try:
            snapshot = take_snapshot(session, now())
        except UserError as error:  # the figures stay as they were
            return [_error(error), *([gr.update()] * (len(shown) - 1))]
        return [view(snapshot) for view in shown.values()]

    timer = gr.Timer(REFRESH_SECONDS)
    for event in (opened, refresh.click, timer.tick, published.then, accepted.then):
        event(show, outputs=list(shown), show_progress="hidden")
    gr.on(
        [opened, refresh.click, *(choice.change for choice in choices)],
        lambda votes, conflicts: _preview(session, votes, conflicts),
        inputs=choices,
        outputs=outcome,
        show_progress="hidden",
    )


def _html(value: str = "") -> gr.HTML:
    return gr.HTML(value, css_template=STYLE, apply_default_css=False)


def _publish_tab(session: LeadSession) -> tuple[tuple[gr.Number, gr.Radio], gr.HTML, Any]:
    """The policy's two inputs, the place of counts, result or error, and the event after publishing."""
    default = session.policy
    with gr.Row():
        votes = gr.Number(
            default.votes, label="Verdicts a mask needs", precision=0, minimum=1, step=1, scale=1, elem_id="votes"
        )
        conflicts = gr.Radio(
            CONFLICT_CHOICES, value=default.conflicts, scale=4, elem_id="conflicts",
            label="When reviewers disagree (a lead's second look decides in any case)",
        )  # fmt: skip
    outcome = _html()
    publish = gr.Button("Publish", variant="primary", elem_id="publish-version", scale=0, min_width=200)

    def make(votes: int | None, conflicts: str, request: gr.Request) -> str:
        return _publish(session, votes, conflicts, by=actor_of(request))

    published = publish.click(make, inputs=[votes, conflicts], outputs=outcome)
    return (votes, conflicts), outcome, published


def _guideline_tab(session: LeadSession, opened: Callable[..., Any]) -> None:
    """The guideline's Markdown to edit, and what became of saving it."""
    text = gr.Textbox(
        label="What reviewers read under Help (Markdown; empty: the guideline that comes with the program)",
        lines=18, max_lines=40, elem_id="guideline",
    )  # fmt: skip
    save = gr.Button("Save", variant="primary", scale=0, min_width=200, elem_id="save-guideline")
    outcome = _html()

    def write(edited: str, request: gr.Request) -> tuple[str, str]:
        try:
            session.guideline.save(edited)
            session.activity.record_done(actor_of(request), "guideline")
            return session.guideline.text(), render("guideline.html", path=session.guideline.path)
        except (UserError, OSError) as error:
            return edited, _error(UserError(str(error)))

    opened(lambda: session.guideline.text(), outputs=text, show_progress="hidden")
    save.click(write, inputs=text, outputs=[text, outcome], show_progress="hidden")


def _preview(session: LeadSession, votes: int | None, conflicts: str) -> str:
    try:
        return render("publish.html", published=None, counts=_counts(session, _policy(votes, conflicts)))
    except UserError as error:
        return _error(error)


def _publish(session: LeadSession, votes: int | None, conflicts: str, *, by: Actor) -> str:
    try:
        policy = _policy(votes, conflicts)
        path = session.publisher.publish(policy, by=by).path
        return render("publish.html", published=path, counts=_counts(session, policy))
    except UserError as error:
        return _error(error)


def _counts(session: LeadSession, policy: Policy) -> str:
    return status_summary(tally(session.manifest, session.decisions(), policy).total)


def _policy(votes: int | None, conflicts: Any) -> Policy:
    return Policy(int(votes or 0), conflicts)  # Policy refuses fewer than 1 vote


def _error(error: UserError) -> str:
    return render("error.html", error=error)
