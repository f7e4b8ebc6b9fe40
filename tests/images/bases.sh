#!/usr/bin/env bash
# Makes stand-ins for the official base images out of Debian's packages, for a machine that reaches no image registry:
#
#   tests/images/bases.sh        as root, with debootstrap and podman; makes localhost/yunsong-base and localhost/yunsong-node
#
# They differ from the official ones in size and in where Python lies, not in what the services' Dockerfile needs of them.
# The one for Node.js takes this machine's `node` and `npm`, because Debian's are older than the pages' tools want; both
# trust the certificate authorities that this machine trusts.
set -euo pipefail

SUITE=${SUITE:-bookworm}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
CERTIFICATES=/etc/ssl/certs/ca-certificates.crt

debootstrap --variant=minbase --include=ca-certificates,tzdata "$SUITE" "$WORK/root" > "$WORK/log" || {
  tail -20 "$WORK/log" >&2
  exit 1
}
cp /etc/resolv.conf "$WORK/root/etc/resolv.conf"
chroot "$WORK/root" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends python3.11 python3.11-venv libstdc++6 > "$WORK/log"
ln -s /usr/bin/python3.11 "$WORK/root/usr/local/bin/python"
rm -rf "$WORK/root/var/cache/apt" "$WORK/root/var/lib/apt/lists"/* "$WORK/root/usr/share/"{doc,man,locale,info} \
  "$WORK/root/var/log"/* "$WORK/root/etc/resolv.conf" "$WORK/root/debootstrap"

cp "$CERTIFICATES" "$WORK/root$CERTIFICATES"

# brings NAME [VARIABLE=VALUE ...]: the folder as an image.
brings() {
  local name=$1 changes=(--change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' --change 'ENV LANG=C.UTF-8')
  shift
  for variable in "$@"; do changes+=(--change "ENV $variable"); done
  tar -C "$WORK/root" -c . | podman import --quiet "${changes[@]}" - "localhost/$name" > "$WORK/id"
}
brings yunsong-base "PIP_CERT=$CERTIFICATES"

mkdir -p "$WORK/root/usr/lib/node_modules"
install -m 755 "$(readlink -f "$(command -v node)")" "$WORK/root/usr/local/bin/node"
cp -r "$(dirname "$(readlink -f "$(command -v npm)")")/.." "$WORK/root/usr/lib/node_modules/npm"
ln -s /usr/lib/node_modules/npm/bin/npm-cli.js "$WORK/root/usr/local/bin/npm"
brings yunsong-node "NODE_EXTRA_CA_CERTS=$CERTIFICATES"
podman images --format '{{.Repository}} {{.Size}}' | grep -E 'yunsong-(base|node)'
