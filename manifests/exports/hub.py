"""Push an export to the Hugging Face hub as a dataset: the version is a tag of the repository.

The token is `HF_TOKEN`, or the hub's own login. The folder is one commit, so a push that fails leaves the repository's
files as they were; the tag `v<N>` follows it. Files of earlier versions leave the branch and stay in their tags.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from manifests.errors import UserError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PUSHED = ("imagefolder", "webdataset")  # formats that `datasets.load_dataset` reads from a repository
_DATASET = "dataset"
_ATTRIBUTES = ".gitattributes"  # the repository's own: which files are stored as large ones
_REASON_LETTERS = 200


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A dataset repository that takes this version; `check_hub` makes it."""

    repository: str  # OWNER/NAME
    tag: str
    public: bool
    exists: bool


def check_hub(repository: str, version: int, *, public: bool) -> HubDataset:
    """Check token, repository and tag without writing anything.

    UserError without a valid token, for a hub that can't be reached, for a tag that is there, and for a repository
    whose visibility isn't the one asked for.
    """
    from huggingface_hub import get_token  # here, as below: it takes a second to import
    from huggingface_hub.errors import RepositoryNotFoundError

    if get_token() is None:
        raise UserError("expected a token of the Hugging Face hub, found none; set HF_TOKEN, or log in: hf auth login")
    tag = f"v{version}"
    with _one_line(repository):
        api = _api()
        api.whoami()
        try:
            private = api.repo_info(repository, repo_type=_DATASET).private
        except RepositoryNotFoundError:
            return HubDataset(repository, tag, public, exists=False)
        tags = [ref.name for ref in api.list_repo_refs(repository, repo_type=_DATASET).tags]
    if private == public:
        found, remedy = ("a private", "leave --public out") if private else ("a public", "pass --public")
        raise UserError(
            f"expected a {'public' if public else 'private'} dataset at {repository}, found {found} one; {remedy}, or "
            "choose another repository"
        )
    if tag in tags:
        raise UserError(
            f"expected no revision {tag} in {repository}, found one; delete that tag, or push another version"
        )
    return HubDataset(repository, tag, public, exists=True)


def push_export(folder: Path, dataset: HubDataset) -> str:
    """Create the repository if it is new, commit the folder, tag the commit; return the revision's URL.

    UserError, and the repository's files are as before, when the hub refuses or can't be reached.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    with _one_line(dataset.repository):
        api = _api()
        if not dataset.exists:
            api.create_repo(dataset.repository, repo_type=_DATASET, private=not dataset.public)
        names = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        present = api.list_repo_files(dataset.repository, repo_type=_DATASET) if dataset.exists else []
        commit = api.create_commit(  # upload_folder splits a large folder into several
            dataset.repository,
            [
                *(CommitOperationDelete(name) for name in present if name not in {*names, _ATTRIBUTES}),
                *(CommitOperationAdd(name, path) for name, path in names.items()),
            ],
            commit_message=f"{dataset.tag} of the manifest",
            repo_type=_DATASET,
        )
        api.create_tag(dataset.repository, tag=dataset.tag, revision=commit.oid, repo_type=_DATASET)
        return f"{api.endpoint}/datasets/{dataset.repository}/tree/{dataset.tag}"


def _api() -> "HfApi":
    from huggingface_hub import HfApi

    return HfApi(library_name="maskfoundry")


@contextmanager
def _one_line(repository: str) -> Iterator[None]:
    """Raise the hub's errors as one UserError."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    # The error of the hub's HTTP library, which differs between its releases.
    transport_error = cast("type[Exception]", HfHubHTTPError.__bases__[0])
    try:
        yield
    except HFValidationError as error:
        raise UserError(f"expected a repository OWNER/NAME, found {repository!r} ({_reason(error)})") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        remedies = {401: "check the token", 403: "take a token that may write there"}
        raise UserError(
            f"expected the hub to take {repository}, found status {status} ({_reason(error)}); "
            f"{remedies.get(status, 'try again later')}"
        ) from error
    except (OfflineModeIsEnabled, transport_error, OSError) as error:
        raise UserError(
            f"expected the Hugging Face hub for {repository}, found no way to it ({_reason(error)}); check the network"
        ) from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:_REASON_LETTERS]
