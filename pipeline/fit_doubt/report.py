"""Quality of models of doubt, as a table."""

from collections.abc import Mapping

from sklearn.metrics import roc_auc_score

from pipeline.doubt import Model
from pipeline.fit_doubt.judged_masks import JudgedMasks
from pipeline.fit_doubt.looks_saved import looks_saved


def report(masks: JudgedMasks, models: Mapping[str, Model]) -> str:
    """Format a line for each teacher and one for all: masks, share of bad ones, mean doubt, AUC, looks saved."""
    lines = [f"{'teacher':<44}{'masks':>7}{'bad':>8}{'mean doubt':>12}{'AUC':>8}{'looks saved':>13}"]
    for name in [*dict.fromkeys(masks.teachers), ""]:
        some = masks.by(name) if name else masks
        doubts = some.doubts(models)
        auc = f"{roc_auc_score(some.bad, doubts):.3f}" if some.has_both_verdicts() else "-"
        saved = f"{looks_saved(doubts, some.bad):.0%}"
        facts = f"{len(doubts):>7}{some.bad.mean():>8.1%}{doubts.mean():>12.1%}{auc:>8}{saved:>13}"
        lines.append(f"{name[-43:] or 'all':<44}{facts}")
    return "\n".join(lines)
