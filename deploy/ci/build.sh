#!/usr/bin/env bash
# Builds, pushes and signs the images in IMAGES (a JSON list) as REGISTRY/yunsong-…:TAG.
set -euo pipefail
cd "$(dirname "$0")/../.."

mapfile -t images < <(python3 -c 'import json, os; print(*json.loads(os.environ["IMAGES"]), sep="\n")')
if [[ -z ${images[0]:-} ]]; then
  echo "no image changed"
  exit 0
fi
python3 deploy/images/build.py build "${images[@]}" --push --platforms linux/amd64,linux/arm64 --registry "$REGISTRY" --tag "$TAG"
for image in "${images[@]}"; do
  deploy/ci/sign.sh "$REGISTRY/yunsong-$image:$TAG"
done
