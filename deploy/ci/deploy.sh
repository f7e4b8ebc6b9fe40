#!/usr/bin/env bash
# Brings the images in IMAGES (a JSON list), as REGISTRY/yunsong-…:TAG, into the release in a namespace, tests it there, and goes back
# to the revision before when the test fails: deploy/ci/deploy.sh NAMESPACE
#
# RELEASE (yunsong) names the release; VALUES a file of values of its own. What is not in IMAGES stays at the image it has. The first
# time everything is installed at TAG.
set -euo pipefail
cd "$(dirname "$0")/../.."

namespace=$1
release=${RELEASE:-yunsong}
chart=deploy/helm/yunsong

if [[ -n ${KUBECONFIG_BASE64:-} ]]; then
  KUBECONFIG=$(mktemp)
  export KUBECONFIG
  trap 'rm -f "$KUBECONFIG"' EXIT
  base64 -d <<< "$KUBECONFIG_BASE64" > "$KUBECONFIG"
fi

# The number of the deployed revision; empty before the first.
before=$(helm history "$release" --namespace "$namespace" --output json 2>/dev/null \
  | python3 -c 'import json, sys
deployed = [one["revision"] for one in json.load(sys.stdin) if one["status"] == "deployed"]
print(deployed[-1] if deployed else "")' 2>/dev/null || true)

arguments=(--namespace "$namespace" --create-namespace --wait --timeout 15m --set "publicUrl=$PUBLIC_URL")
if [[ -n ${VALUES:-} ]]; then
  arguments+=(--values "$VALUES")
fi
if [[ -z $before ]]; then
  arguments+=(--set "image.registry=$REGISTRY/" --set "image.tag=$TAG")
else
  # New defaults of the chart, and what earlier deployments set.
  arguments+=(--reset-then-reuse-values)
  while read -r image; do
    if [[ -n $image ]]; then
      arguments+=(--set "components.$image.image=$REGISTRY/yunsong-$image:$TAG")
    fi
  done < <(python3 -c 'import json, os; print(*json.loads(os.environ["IMAGES"]), sep="\n")')
fi

if helm upgrade --install "$release" "$chart" "${arguments[@]}" \
  && helm test "$release" --namespace "$namespace" --timeout 5m --logs; then
  echo "$namespace runs $TAG"
  exit 0
fi
if [[ -z $before ]]; then
  echo "the first installation failed; it is left as it is, to be looked at" >&2
  exit 1
fi
echo "going back to revision $before: its code works with the schema of this one" >&2
helm rollback "$release" "$before" --namespace "$namespace" --wait --timeout 15m
exit 1
