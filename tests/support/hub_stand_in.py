"""A local stand-in of the Hugging Face hub's API, as far as a push of a dataset asks for it.

`huggingface_hub` itself is the client. Files are kept as a repository keeps them: a tree for each commit, and tags.
"""

import base64
import json
from dataclasses import dataclass, field
from urllib.parse import unquote

from web_stand_in import Answer

TOKEN = "hf_right"
REPOSITORY = "ada/portraits"
SITE = "https://huggingface.co"  # the client takes no other host in answers


@dataclass
class HubStandIn:
    """The state of one repository, and every request as (method, path)."""

    private: bool | None = None  # None: there is no repository
    files: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, dict[str, bytes]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    refuse_commits: int | None = None  # the status
    commits: int = 0

    def __call__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        path = unquote(path).partition("?")[0]
        self.asked.append((method, path))
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return _json({"error": "Invalid username or password."}, 401)
        if path == "/api/whoami-v2":
            return _json({"name": "ada", "type": "user"})
        if path == "/api/validate-yaml":
            return _json({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            self.private = json.loads(body)["visibility"] == "private"
            return _json({"url": f"{SITE}/datasets/{REPOSITORY}", "name": REPOSITORY, "id": "1"})
        if self.private is None:
            return Answer(404, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"})
        home = f"/api/datasets/{REPOSITORY}"
        if path == home or path.startswith(f"{home}/revision/"):
            siblings = [{"rfilename": name} for name in self.files]
            return _json(
                {"id": REPOSITORY, "private": self.private, "siblings": siblings, "sha": "ab" * 20, "tags": []}
            )
        if path == f"{home}/refs":
            tags = [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": "ab" * 20} for tag in self.tags]
            return _json({"branches": [], "converts": [], "tags": tags})
        if path.startswith(f"{home}/tree/"):
            return _json([{"type": "file", "path": name, "size": 1, "oid": "cd" * 20} for name in self.files])
        if path == f"{home}/preupload/main":
            return _json({"files": [_regular(file["path"]) for file in json.loads(body)["files"]]})
        if path == f"{home}/commit/main":
            return self._commit(body)
        if path.startswith(f"{home}/tag/"):
            self.tags[json.loads(body)["tag"]] = dict(self.files)
            return _json({})
        return _json({"error": f"the stand-in doesn't know {method} {path}"}, 501)

    def _commit(self, body: bytes) -> Answer:
        if self.refuse_commits:
            return _json({"error": "no"}, self.refuse_commits)
        self.commits += 1
        for line in body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                self.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            elif entry["key"] == "deletedFile":
                del self.files[entry["value"]["path"]]
        return _json(
            {"success": True, "commitUrl": f"{SITE}/datasets/{REPOSITORY}/commit/{'ef' * 20}", "commitOid": "ef" * 20}
        )


def _regular(path: str) -> dict[str, object]:
    return {"path": path, "uploadMode": "regular", "shouldIgnore": False, "oid": None}


def _json(value: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"content-type": "application/json"})
