#!/usr/bin/env bash
# A worker of the deployments in prefect.yaml, which it registers first. Flows run in the directory where it is started:
# their `manifests` and `data` are there.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd)
if [ "$checkout" != "$PWD" ]; then
    ln -sfn "$checkout/pipeline" pipeline   # the entry points of prefect.yaml
    cp "$checkout/prefect.yaml" "$checkout/prefect.toml" .
fi
prefect work-pool create local --type process --overwrite
prefect --no-prompt deploy --all
exec prefect worker start --pool local
