"""`python -m review_ui` opens the review page on a manifest version; `python -m review_ui users` edits the users,
`python -m review_ui activity` lists what they did.
"""

import argparse
import json
import logging
import re
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

from manifests.cli.arguments import CommandParser, run_command
from manifests.cli.converters import not_negative, positive, share
from manifests.decisions.audit import AuditedPart
from manifests.decisions.database import has_password
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.files.storage import place
from manifests.files.tombstones import Tombstones
from manifests.store.labelling_runs import LabellingRuns
from manifests.store.manifest import Manifest, ManifestStore
from manifests.web.address import is_loopback, listen, port, url_of
from manifests.web.browser import open_browser
from manifests.web.webhooks import WebhookSender, read_webhooks
from review_ui.auth import command
from review_ui.auth.authenticator import Authenticator
from review_ui.auth.users import UsersFile
from review_ui.lead.activity_command import activity_lines
from review_ui.quality.gold import GoldSamples
from review_ui.queue.gold_mix import Rates
from review_ui.queue.session import ReviewSession
from review_ui.queue.version import open_version, wait_for_version
from review_ui.repair.segmenter import PointSegmenter

logger = logging.getLogger("review_ui")

TEAM_RATES = Rates(gold=0.02, repeat=0.01)  # 8 hours at 1.25 s: 460 gold samples
GOLD_SAMPLES = 1000  # each reviewer meets each once; fewer where there is less ground truth
REPAIR_AFTER_SECONDS = 4.0
GOLD_SEED = 0  # the same on every server, so that all make the same samples

_TEAM = """who may sign in:
  python -m review_ui users add NAME [--role reviewer|lead] [--password-stdin] [--users PATH]
  python -m review_ui users password NAME
  python -m review_ui users remove NAME
  python -m review_ui users token NAME LABEL [--scope read|review|all] [--days N]
  python -m review_ui users revoke NAME LABEL
  python -m review_ui users list
who signed in, published, downloaded:
  python -m review_ui activity [--count N] [--delete-before YYYY-MM-DD]"""


def main(arguments: Sequence[str]) -> None:
    if arguments[:1] == ["users"]:
        command.main(arguments[1:])
        return
    if arguments[:1] == ["openapi"]:
        _print_openapi()
        return
    if arguments[:1] == ["activity"]:
        for line in activity_lines(arguments[1:]):
            print(line)
        return
    options = _parser().parse_args(arguments)
    users = UsersFile(options.users) if options.users else None
    segmenter = _segmenter(options.segmenter) if options.segmenter else None
    webhooks = WebhookSender(read_webhooks(options.webhooks)) if options.webhooks else None
    listener = listen(options.host, options.port)
    url = url_of(listener) + (f"{options.root_path}/" if options.root_path else "")
    has_waited = options.wait and not options.manifest and _wait(listener, url, options)
    manifest, store = open_version(options.manifests, path=options.manifest, data=options.data)
    database_url = options.database_url or sqlite_url(manifest.data_root.resolve())
    log = DecisionLog(database_url)
    rates = _rates(options)
    audit = None if options.audit is None else AuditedPart(options.audit, options.audit_seed)
    with ThreadPoolExecutor(1) as executor:
        opening = executor.submit(
            ReviewSession, manifest, store, log, votes=options.votes, rates=rates, audit=audit, webhooks=webhooks
        )
        from manifests.web.serving import serve
        from review_ui.app import create_app, dataset_name  # here: meanwhile FastAPI is imported

        session = opening.result()
    if rates.gold:
        threading.Thread(target=_bring_gold, args=(session, manifest, log, options), daemon=True).start()
    app = create_app(
        session,
        BlobStore(manifest.data_root),
        host_name=options.host,
        dataset=dataset_name(store.root, database_url),
        authenticator=Authenticator(users, log) if users else None,
        public_names=options.public_name,
        root_path=options.root_path,
        segmenter=segmenter,
    )
    _warn(options.host, users, database_url)
    _load_repair_later()
    opens_browser = not options.no_browser and not has_waited
    serve(app, listener, on_ready=lambda: _announce(url, manifest, browser=opens_browser))
    session.close()


def _wait(listener: socket.socket, url: str, options: argparse.Namespace) -> bool:
    """Wait for the first version, with a page that shows the progress; return whether there was none.

    Where a sign-in is required, the page shows no progress before one.
    """
    store = ManifestStore(options.manifests)
    if store.versions():
        return False
    from manifests.web.serving import serving
    from review_ui.web.first_masks import first_masks_app  # here, as above: other servers start without
    from review_ui.web.origin_check import OriginCheck

    progress = LabellingRuns(store.root).live if not options.users else lambda: None
    app = OriginCheck(first_masks_app(progress), {options.host.lower()}, {name.lower() for name in options.public_name})
    print(f"no masks yet: the page opens with the first ones at {url}  (Ctrl+C stops it)", flush=True)
    if not options.no_browser:
        open_browser(url)
    with serving(app, listener):
        wait_for_version(store)
    return True


def _rates(options: argparse.Namespace) -> Rates:
    """The rates of the options; by default a team is measured, a single person isn't."""
    usual = TEAM_RATES if options.users else Rates()
    return Rates(
        gold=usual.gold if options.gold_rate is None else options.gold_rate,
        repeat=usual.repeat if options.repeat_rate is None else options.repeat_rate,
    )


def _print_openapi() -> None:
    from review_ui.web.api import router  # here, as below: it loads FastAPI
    from review_ui.web.openapi import openapi

    print(json.dumps(openapi(router.routes), indent=2))


def _segmenter(folder: Path) -> PointSegmenter:
    from review_ui.repair.onnx_segmenter import OnnxSegmenter  # here: it loads OpenCV and ONNX Runtime

    return OnnxSegmenter.open(folder)


def _load_repair_later() -> None:
    """Import OpenCV when the first masks are on their screens, so that the first smart stroke needn't wait for it."""
    timer = threading.Timer(REPAIR_AFTER_SECONDS, import_module, ("review_ui.repair.smart_stroke",))
    timer.daemon = True
    timer.start()


def _bring_gold(session: ReviewSession, manifest: Manifest, log: DecisionLog, options: argparse.Namespace) -> None:
    """Make the missing gold samples and mix them in, while the page is open."""
    from review_ui.quality.gold_generation import prepare_gold  # here: it loads OpenCV

    try:
        prepare_gold(manifest, BlobStore(manifest.data_root), log, count=options.gold, seed=GOLD_SEED)
        gold, forgotten = GoldSamples.load(log), Tombstones.read(manifest.data_root).samples
    except (UserError, OSError) as error:
        logger.warning("no gold samples are mixed in: %s", error)
        return
    session.use_gold(gold, forgotten)
    if not gold and options.gold_rate:  # without the option, having none is normal
        logger.warning("no gold samples are mixed in: the version has no usable ground_truth rows")


def host_name(text: str) -> str:
    """An argument's type: a host name as browsers send it in Host, without scheme and port."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+", text):
        raise argparse.ArgumentTypeError(f"expected a host name such as reviews.example.org, found {ascii(text)[:80]}")
    return text


def root_path(text: str) -> str:
    """An argument's type: a path of one or more names, as browsers see it, without the slash at its end."""
    path = text.rstrip("/")
    if path and not re.fullmatch(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+", path):
        raise argparse.ArgumentTypeError(f"expected a path such as /masks, found {ascii(text)[:80]}")
    return path


def _announce(url: str, manifest: Manifest, *, browser: bool) -> None:
    print(f"reviewing {manifest.path} at {url}  (Ctrl+C stops it; decisions are kept)", flush=True)
    if browser:
        open_browser(url)


def _warn(host: str, users: UsersFile | None, database_url: str) -> None:
    """Warn about settings that the operator may not have meant."""
    if not is_loopback(host) and users:
        logger.warning("passwords travel to %s in clear; put TLS in front of it, see docs/team.md", host)
    elif not is_loopback(host):
        logger.warning("anyone who reaches %s can see and judge the images: there is no sign-in", host)
    if has_password(database_url):
        logger.warning("the list of processes shows the password in --database-url; put it into ~/.pgpass instead")
    if users and all(user.role != "lead" for user in users.users().values()):
        logger.warning("no user is a lead, and only leads publish; set a role by hand or add one")
    if not users and command.DEFAULT_PATH.exists():
        path = command.DEFAULT_PATH
        logger.warning("there is no sign-in; to require one of the users in %s, start with --users %s", path, path)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "python -m review_ui",
        description="Open the page on which a person accepts or rejects each mask.",
        example="--manifests manifests --port 7860",
        more=_TEAM,
    )
    parser.add_argument(
        "--manifest", type=place, metavar="PATH", help="version to review, path or URL (default: the latest)"
    )
    parser.add_argument(
        "--manifests", type=place, default=Path("manifests"), metavar="DIR",
        help="directory of versions, or URL, when --manifest isn't given (default: manifests)",
    )  # fmt: skip
    parser.add_argument("--data", type=place, metavar="DIR", help="data root (default: the one the manifest names)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=port, default=7860, help="port to listen on, 0 for any (default: 7860)")
    parser.add_argument(
        "--database-url", metavar="URL",
        help="decision log (default: decisions.sqlite3 in the data root; none for a data root at a URL)",
    )  # fmt: skip
    parser.add_argument(
        "--users", type=Path, metavar="PATH", help="users file: only those in it may do anything (default: no sign-in)"
    )
    parser.add_argument(
        "--public-name", action="append", default=[], type=host_name, metavar="NAME",
        help="name under which a proxy shows the page to browsers; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--root-path", default="", type=root_path, metavar="PATH",
        help="path below which a proxy shows the page to browsers, such as /masks (default: none)",
    )  # fmt: skip
    parser.add_argument(
        "--votes", type=positive, default=1, metavar="N", help="people who judge each mask (default: 1)"
    )
    parser.add_argument(
        "--gold-rate", type=float, metavar="SHARE",
        help=f"share of gold samples in the stream (default: {TEAM_RATES.gold} with --users, else 0)",
    )  # fmt: skip
    parser.add_argument(
        "--repeat-rate", type=float, metavar="SHARE",
        help=f"share of masks judged before (default: {TEAM_RATES.repeat} with --users, else 0)",
    )  # fmt: skip
    parser.add_argument(
        "--gold", type=positive, default=GOLD_SAMPLES, metavar="N", help="gold samples to make (default: %(default)s)"
    )
    parser.add_argument(
        "--audit", type=share, metavar="DOUBT",
        help="show masks of at most this doubt alone, in the random order of an audit: python -m manifests accept",
    )  # fmt: skip
    parser.add_argument("--audit-seed", type=not_negative, default=0, help="seed of that order (default: 0)")
    parser.add_argument(
        "--segmenter", type=Path, metavar="DIR",
        help="encoder.onnx and decoder.onnx of a point-prompt segmenter, for the editor's tool Point (default: none)",
    )  # fmt: skip
    parser.add_argument(
        "--webhooks", type=Path, metavar="PATH",
        help="TOML file of addresses that get signed events: docs/team.md (default: nothing is sent)",
    )  # fmt: skip
    parser.add_argument(
        "--wait", action="store_true", help="wait for the first version, which pipeline.generate may still be making"
    )
    parser.add_argument("--no-browser", action="store_true", help="don't open a browser window")
    return parser


if __name__ == "__main__":
    run_command(main)
