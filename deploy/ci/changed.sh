#!/usr/bin/env bash
# Which images the change since BASE needs, as one JSON list: deploy/ci/changed.sh BASE
# A BASE that is not known here (a new branch, a forced push) means all of them.
set -euo pipefail
cd "$(dirname "$0")/../.."

base=${1:-}
if [[ -n $base ]] && git cat-file -e "$base^{commit}" 2>/dev/null; then
  git diff --name-only --no-renames "$base...HEAD" | python3 deploy/ci/changed.py --json
else
  git ls-files | python3 deploy/ci/changed.py --json
fi
