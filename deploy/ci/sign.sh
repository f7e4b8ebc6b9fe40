#!/usr/bin/env bash
# Signs one pushed image: with the key in COSIGN_KEY, else with the identity of the pipeline that runs this.
set -euo pipefail

reference=$1
if [[ -n ${COSIGN_KEY:-} ]]; then
  cosign sign --yes --recursive --key "$COSIGN_KEY" "$reference"
else
  cosign sign --yes --recursive "$reference"
fi
