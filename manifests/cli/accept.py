"""`python -m manifests accept V`."""

import argparse
import re
from argparse import ArgumentTypeError

from manifests.cli.arguments import add_database_url, add_version, version_of
from manifests.cli.converters import not_negative
from manifests.decisions.accept import AcceptOptions, AuditPlan, accept, audit_plan, gold_line
from manifests.decisions.acceptance import CONFIDENCE
from manifests.decisions.error_bound import GoldCounts
from manifests.decisions.log import existing_log
from manifests.errors import UserError
from manifests.store.manifest import Manifest, ManifestStore


def max_error(text: str) -> float:
    """An argument's type: a share above 0 and below a half, as 1% or 0.01."""
    match = re.fullmatch(r"([0-9]*\.?[0-9]+)(%?)", text)
    value = float(match[1]) / (100 if match[2] else 1) if match else None
    if value is None or not 0 < value < 0.5:
        raise ArgumentTypeError(f"expected a share such as 1% or 0.01, below a half, found {text!r}")
    return value


def false_accepts(text: str) -> GoldCounts:
    """An argument's type: K/N, K false accepts in N verdicts on damaged gold."""
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if match is None or not 0 <= int(match[1]) <= int(match[2]) or not int(match[2]):
        raise ArgumentTypeError(f"expected K/N, K false accepts in N verdicts on damaged gold, found {text!r}")
    return GoldCounts(int(match[1]), int(match[2]))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add V, --max-error, --plan, --seed, --audit-false-accepts, --allow-misfit and --database-url."""
    add_version(parser)
    parser.add_argument(
        "--max-error", type=max_error, required=True, metavar="SHARE",
        help="share of the masks accepted without a look that may be wrong, as 1%% or 0.01",
    )  # fmt: skip
    parser.add_argument("--plan", action="store_true", help="print how many looks it takes and saves; accept nothing")
    parser.add_argument("--seed", type=not_negative, default=0, help="of the audit's random order (default: 0)")
    parser.add_argument(
        "--audit-false-accepts", type=false_accepts, metavar="K/N",
        help="the auditors' false accepts on damaged gold (default: those in the decision log)",
    )  # fmt: skip
    parser.add_argument("--allow-misfit", action="store_true", help="accept even where the audit contradicts doubt")
    add_database_url(parser)


def run(options: argparse.Namespace) -> None:
    """Accept the part of the queue whose share of wrong masks an audit bounds, or print the state of that audit."""
    version = version_of(options)
    log = existing_log(options.database_url, version.data_root)
    asked = AcceptOptions(options.max_error, options.seed, options.audit_false_accepts, options.allow_misfit)
    if options.plan:
        _print_plan(version, audit_plan(version, log, asked), asked.seed)
        return
    if log is None:
        raise UserError(
            f"expected a decision log under {version.data_root}, found none; look at masks in the audit's order "
            "(--plan shows how), or pass --database-url"
        )
    done = accept(ManifestStore(options.manifests), version, log, asked)
    bound = done.bound
    print(f"audit of v{version.version}, doubt at most {bound.part}: {len(bound.looked):,} looks, "
          f"{bound.wrong:,} wrong")  # fmt: skip
    print(gold_line(done.gold))
    print(f"{len(bound.rest):,} masks accepted without a look; at most {bound.limit:,} of them "
          f"({bound.share_limit:.2%}) are wrong, with {CONFIDENCE:.0%} confidence")  # fmt: skip
    print(done.manifest.path)


def _print_plan(version: Manifest, plan: AuditPlan, seed: int) -> None:
    queue = plan.queue
    unrated = f"; {queue.unrated:,} more are without doubt and need a look" if queue.unrated else ""
    paired = f"; {queue.paired:,} more have two masks and need a choice" if queue.paired else ""
    print(f"{version.path}: {len(queue):,} masks with doubt wait{unrated}{paired}")
    print(f"{'':>21}{'audit now':^29}{'audit in all':^33}")
    print(f"{'doubt <=':>12}{'masks':>9}{'looks':>8}{'wrong':>7}{'can be wrong':>14}"
          f"{'expected wrong':>16}{'looks':>7}{'at least':>10}{'looks saved':>13}")  # fmt: skip
    for bound, each in zip(plan.bounds, plan.forecasts, strict=True):
        mark = "  <- audit this part" if each is plan.next else ""
        print(f"{bound.part!s:>12}{bound.part.rows:>9,}{len(bound.looked):>8,}{bound.wrong:>7,}"
              f"{bound.share_limit:>14.2%}{each.expected:>16.2%}{each.looks_likely:>7,}{each.looks_least:>10,}"
              f"{each.saved:>13,}{mark}")  # fmt: skip
    print(gold_line(plan.gold))
    seed_option = f" --audit-seed {seed}" if seed else ""
    print(f"python -m review_ui --manifest {version.path} --audit {plan.next.part}{seed_option}")
