"""Runs what `helm template` gives, every container of it for real, as processes on this machine.

    async with Cluster(folder, Images({"0.1.0": build(ROOT, folder)})) as cluster:
        release = Release(cluster)
        await release.install(values)                 # hooks and resources in Helm's order, as `helm install --wait` does
        await release.test()
        ... http://localhost:<cluster.ingress_port>   # what an ingress controller serves

**The means.** Linux namespaces, made by root, without a container engine; nothing is left of them when the test's process is
gone, even by SIGKILL:

- A pod is a network namespace with an address of its own, on a routed link to the "node", a further network namespace. The
  machine's own network is not touched; the one thing that listens on it is the ingress, on 127.0.0.1.
- A container is a process in namespaces of its own for mounts, processes, IPC and the host's name. Its root is an overlay of
  the image's layers, read-only where the pod says so; it is process 1, so a signal that it does not handle does nothing, as in a cluster.
  User, groups, capabilities and `no_new_privs` are the pod's. Its environment has nothing but what image and pod say.
- The node's packet filter is kube-proxy (Services balance over ready endpoints) and the network plugin (every NetworkPolicy is
  enforced, after translation, by the pods' addresses). Probes come from the node, as the kubelet's do, and pass policies.
- Names are answered by a DNS server in `kube-system`; the ingress controller runs in `ingress-nginx`; external PostgreSQL and NATS
  have addresses of their own. All three are pods for the policies.
- Helm's order: hooks by event, weight and kind, then the resources, then waiting for readiness, then hooks after that.

**The images.** `yunsong-<service>` is made of the layers that services/Dockerfile makes: the runtime lock's packages and nothing
else, then the wheels of that service alone; ENTRYPOINT, USER, WORKDIR and ENV are read out of the Dockerfile. Below them, Debian's
essential programs of this machine stand for the slim base. The third-party packages are this checkout's, for every release.
`postgres` and `nats` are the official images' contract over the programs of the embedded wheels.

**What is not represented is refused, by its path** (`fields.py`): a field that is neither obeyed nor known to mean nothing on one
machine fails the run before anything starts. Known and without effect: what places pods on nodes, image pulling, resource limits,
seccomp profiles, alerts, dashboards, budgets (nothing is evicted here) and autoscalers, which stay at their least.

A run by hand: `make test ARGS=tests/chart/harness`, with `HARNESS_TREE=...` for the images of another tree. It needs root, `nsenter`,
`ip` and `iptables-restore`; without them the tests that run something are skipped with the reason, and fail with REQUIRE_NAMESPACES=1.
In a CI whose runner is not root: `sudo --preserve-env=PATH,REQUIRE_NAMESPACES make test ARGS=tests/chart/harness`; a container needs
`--privileged`.
"""
