"""The versions that a session makes: from the decision log, or by a policy from an audit. It goes on with each."""

from collections.abc import Callable
from threading import Lock

import pyarrow as pa

from manifests.decisions.accept import Accepted, AcceptOptions, AuditPlan, accept, audit_plan
from manifests.decisions.activity import Actor
from manifests.decisions.log import DecisionLog
from manifests.decisions.policy import Policy
from manifests.decisions.publish import publish
from manifests.store.manifest import Manifest, ManifestStore
from review_ui.queue.events import SessionEvent, events_of, published
from review_ui.queue.live_state import LiveState


class Publisher:
    """Commits versions of a session and loads them; `lock` is the session's, `send` gets the events.

    All methods may be called from several threads.
    """

    def __init__(
        self, store: ManifestStore, log: DecisionLog, policy: Policy, live: LiveState, lock: Lock,
        send: Callable[[list[SessionEvent]], None],
    ) -> None:  # fmt: skip
        self._store = store
        self._log = log
        self._policy = policy
        self._live = live
        self._lock = lock
        self._send = send

    def publish(self, policy: Policy | None = None, *, by: Actor | None = None) -> Manifest:
        """Commit the next version from the log and load it; NothingToPublish when it would be the same."""
        manifest = publish(self._store, self._log, policy or self._policy, by=by)
        self._go_on_with(manifest, by)
        return manifest

    def audit(self, options: AcceptOptions) -> AuditPlan:
        """The audit of the version under review; UserError where doubt is unknown."""
        return audit_plan(self._live.state.manifest, self._log, options)

    def accept(self, options: AcceptOptions, *, by: Actor | None = None) -> Accepted:
        """Commit the version in which a policy accepts what the audit bounds, and load it; as `decisions.accept`."""
        done = accept(self._store, self._live.state.manifest, self._log, options, by=by)
        self._go_on_with(done.manifest, by)
        return done

    def _go_on_with(self, manifest: Manifest, by: Actor | None) -> None:
        queue = self._live.queue_of(manifest)  # slow; other threads go on meanwhile
        with self._lock:
            waiting = self._live.state.queue.waiting
            if manifest.version > self._live.state.manifest.version:  # else a later one was loaded meanwhile
                self._live.load(manifest, queue)
            events = [published(manifest, by), *events_of(self._live.state, [], waiting_before=waiting)]
        pa.default_memory_pool().release_unused()  # it keeps what writing took, a few MB more each time
        self._send(events)
