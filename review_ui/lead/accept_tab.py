"""The tab Accept of the lead's page: the audit's state, and accepting masks without a look, with a bound."""

from collections.abc import Callable
from typing import Any

import gradio as gr
from markupsafe import Markup

from manifests.decisions.accept import AcceptOptions, gold_line
from manifests.decisions.acceptance import CONFIDENCE
from manifests.decisions.activity import Actor
from manifests.errors import UserError
from review_ui.lead.html import STYLE, render, table
from review_ui.lead.snapshot import LeadSession
from review_ui.reviewer import actor_in

_HEADERS = (
    "doubt at most", "masks", "looks so far", "wrong", "can be wrong", "expected wrong", "looks in all", "looks saved",
)  # fmt: skip


def accept_tab(session: LeadSession, opened: Callable[..., Any]) -> Any:
    """Fill the tab under construction, with `opened`; return the event after accepting."""
    percent = gr.Number(
        1.0, label="Masks accepted without a look that may be wrong, at most (%)", minimum=0.01, maximum=49,
        elem_id="max-error",
    )  # fmt: skip
    plan, outcome = gr.HTML(css_template=STYLE, apply_default_css=False), gr.HTML(apply_default_css=False)
    button = gr.Button("Accept without a look", variant="primary", elem_id="accept-policy", scale=0, min_width=200)

    def make(share: float | None, request: gr.Request) -> Markup:
        return accept_html(session, share, by=actor_of(request))

    accepted = button.click(make, inputs=percent, outputs=outcome)
    for event in (opened, percent.change, accepted.then):
        event(lambda share: plan_html(session, share), inputs=percent, outputs=plan, show_progress="hidden")
    return accepted


def plan_html(session: LeadSession, percent: float | None) -> Markup:
    """What the audit shows about each part of the queue, and what it takes until one may be accepted."""
    try:
        plan = session.publisher.audit(_options(percent))
    except UserError as error:
        return render("error.html", error=error)
    rows = [
        [
            f"{bound.part}{' (audit this part)' if each is plan.next else ''}", f"{bound.part.rows:,}",
            f"{len(bound.looked):,}", f"{bound.wrong:,}", f"{bound.share_limit:.2%}", f"{each.expected:.2%}",
            f"{each.looks_likely:,}", f"{each.saved:,}",
        ]
        for bound, each in zip(plan.bounds, plan.forecasts, strict=True)
    ]  # fmt: skip
    return render(
        "accept_plan.html",
        version=session.manifest.path,
        queue=plan.queue,
        parts=table(_HEADERS, rows),
        gold=gold_line(plan.gold),
        max_doubt=plan.next.part,
    )


def accept_html(session: LeadSession, percent: float | None, *, by: Actor | None = None) -> Markup:
    """Accept the largest part whose bound holds, and report it; or the reason why none does."""
    try:
        done = session.publisher.accept(_options(percent), by=by)
    except UserError as error:
        return render("error.html", error=error)
    return render("accepted.html", bound=done.bound, confidence=CONFIDENCE, path=done.manifest.path)


def actor_of(request: gr.Request) -> Actor:
    """Who pressed a button of the page."""
    assert request.request is not None  # Gradio leaves it out for pickled requests only
    return actor_in(request.request.scope)


def _options(percent: float | None) -> AcceptOptions:
    if percent is None or not 0 < percent < 50:
        raise UserError(f"expected a share of wrong masks above 0 and below 50 %, found {percent}")
    return AcceptOptions(percent / 100)
