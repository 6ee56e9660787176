"""The whole way on real photographs: generate -> review -> publish -> fit -> evaluate, each as a person runs it."""

import json
import subprocess
import sys
import uuid
from pathlib import Path

import httpx
import pytest
from review_command import review_page

from manifests.store.manifest import ManifestStore

PHOTOGRAPHS = 48  # enough that all three splits get some

Environment = dict[str, str]


def command(arguments: list[str], directory: Path, environment: Environment) -> list[str]:
    """Run `python -m ...`; the lines of its standard output."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout.splitlines()


def review(client: httpx.Client) -> dict[str, str]:
    """Accept every mask but each fifth, which is rejected with a reason; the verdicts by sample."""
    verdicts: dict[str, str] = {}
    while samples := client.get("/api/next", params={"n": 16}).raise_for_status().json()["samples"]:
        decisions = []
        for sample in samples:
            verdict = "reject" if len(verdicts) % 5 == 4 else "accept"
            verdicts[sample["sample_id"]] = verdict
            decisions.append(
                {
                    "decision_id": str(uuid.uuid4()),
                    "sample_id": sample["sample_id"],
                    "mask_sha256": sample["mask_sha256"],
                    "verdict": verdict,
                    "reason": "hair" if verdict == "reject" else None,
                    "decision_ms": 1250,
                }
            )
        answer = client.post("/api/decisions", json={"decisions": decisions}).raise_for_status().json()
        assert answer["refused"] == []
    return verdicts


@pytest.mark.slow
def test_from_photographs_to_a_measured_student(tmp_path: Path, shared: Path, prefect_server: Environment) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for path in sorted((shared / "data/raw_portraits/images").glob("*.jpg"))[:PHOTOGRAPHS]:
        (pictures / path.name).symlink_to(path)

    made = command(["pipeline.generate", "--images", "pictures", "--shard-size", "20"], tmp_path, prefect_server)
    assert made[-1] == "manifests/v1.parquet"

    with review_page(environment=prefect_server, directory=tmp_path) as client:
        verdicts = review(client)
        published = client.post("/api/publish").raise_for_status().json()
    assert published == {"manifest": "manifests/v2.parquet", "version": 2}
    rows = ManifestStore(tmp_path / "manifests").open(2).read().to_pylist()
    statuses = {"accept": "accepted", "reject": "rejected"}
    assert {row["sample_id"]: row["status"] for row in rows} == {
        sample_id: statuses[verdict] for sample_id, verdict in verdicts.items()
    }
    assert len(rows) >= 0.9 * PHOTOGRAPHS
    assert {row["split"] for row in rows} == {"train", "val", "test"}

    fit = ["trainer.fit", "--manifest", "manifests/v2.parquet", "--epochs", "1", "--size", "96", "--output", "run"]
    assert command(fit, tmp_path, prefect_server)[-1] == "run/best.safetensors"

    evaluate = ["trainer.evaluate", "--checkpoint", "run", "--manifest", "manifests/v2.parquet", "--json"]
    metrics = json.loads(command(evaluate, tmp_path, prefect_server)[-1])
    accepted_val = sum(row["split"] == "val" and row["status"] == "accepted" for row in rows)
    assert metrics["n"] == accepted_val
    assert all(0 <= metrics[name] <= 1 for name in ("miou", "person_iou_per_image", "boundary_f1"))

    *_, verified = command(["manifests", "verify"], tmp_path, prefect_server)
    assert verified.endswith("every blob present and unaltered")
