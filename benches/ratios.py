#!/usr/bin/env python3
"""How much npcheck's work costs, as ratios that hold on any machine.

    cargo build --release
    benches/ratios.py                     # everything, some minutes
    benches/ratios.py --only tree,dump    # some of it
    benches/ratios.py --npcheck PATH      # another program

Writes its own manifests, the same for the same seed, into a temporary directory; needs
nothing but Python. CPU time is that of the operating system for the finished process, the
least of a few runs; memory is its peak. The goals, and what was measured when, are in
docs/performance.md.
"""

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TIERS = ["frontend", "backend", "database", "queue"]
PORTS = [8080, 8443, 5432, 6379, 9000]
SIZES = {"small": (10, 200, 100), "medium": (100, 2000, 2000), "large": (500, 20000, 10000)}


def workload(namespace, app, tier, port):
    return f"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: {app}
  namespace: {namespace}
  labels: {{app: {app}}}
  annotations:
    example.test/owner: team-{namespace}
    example.test/runbook: https://runbooks.example.test/{app}
spec:
  replicas: 2
  selector:
    matchLabels: {{app: {app}}}
  template:
    metadata:
      labels:
        app: {app}
        tier: {tier}
        app.kubernetes.io/part-of: {namespace}
    spec:
      containers:
      - name: main
        image: registry.example.test/{app}:1.2.3
        ports:
        - name: http
          containerPort: {port}
        env:
        - name: LOG_LEVEL
          value: info
        - name: DATABASE
          value: postgres://database:5432/{app}
        resources:
          limits: {{cpu: 500m, memory: 512Mi}}
          requests: {{cpu: 100m, memory: 128Mi}}
"""


def service(namespace, app, port):
    return f"""apiVersion: v1
kind: Service
metadata:
  name: {app}
  namespace: {namespace}
spec:
  selector: {{app: {app}}}
  ports:
  - name: http
    port: 80
    targetPort: {port}
"""


def config_map(namespace, app):
    lines = "".join(f"    setting-{number} = value of {app}\n" for number in range(12))
    return f"""apiVersion: v1
kind: ConfigMap
metadata:
  name: {app}
  namespace: {namespace}
data:
  app.conf: |
{lines}"""


def policy(chance, namespace, number, apps, namespaces):
    app, other = chance.choice(apps), chance.choice(apps)
    peer = [
        f"    - podSelector:\n        matchLabels: {{app: {other}}}\n",
        f"    - namespaceSelector:\n        matchLabels: {{team: {chance.choice(namespaces)}}}\n",
        f"    - ipBlock:\n        cidr: 10.{number % 250}.0.0/16\n",
    ][number % 3]
    return f"""apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-{number}
  namespace: {namespace}
spec:
  podSelector:
    matchLabels: {{app: {app}}}
  policyTypes: [Ingress]
  ingress:
  - from:
{peer}    ports:
    - protocol: TCP
      port: {chance.choice(PORTS)}
"""


def default_deny(namespace):
    return f"""apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: {namespace}
spec:
  podSelector: {{}}
  policyTypes: [Ingress]
"""


def cluster(namespaces, workloads, policies, seed=1):
    """The objects of every namespace: pairs of a file name and a text."""
    chance = random.Random(seed)
    names = [f"team-{number}" for number in range(namespaces)]
    for name in names:
        apps = [f"app-{number}" for number in range(max(1, workloads // namespaces))]
        yield name, "namespace", (
            f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels: {{team: {name}}}\n"
        )
        for app in apps:
            port = chance.choice(PORTS)
            yield name, app, workload(name, app, chance.choice(TIERS), port)
            yield name, f"{app}-service", service(name, app, port)
            yield name, f"{app}-config", config_map(name, app)
        yield name, "default-deny", default_deny(name)
        for number in range(max(1, policies // namespaces)):
            yield name, f"policy-{number}", policy(chance, name, number, apps, names)


def write_tree(root, objects, with_kustomizations=False):
    size, files = 0, {}
    for namespace, name, text in objects:
        directory = os.path.join(root, namespace)
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, name + ".yaml"), "w") as file:
            size += file.write(text)
        files.setdefault(namespace, []).append(name + ".yaml")
    for namespace, names in files.items() if with_kustomizations else ():
        with open(os.path.join(root, namespace, "kustomization.yaml"), "w") as file:
            size += file.write(
                "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
                f"namespace: {namespace}\nresources:\n" + "".join(f"- {name}\n" for name in names)
            )
    return size


def write_dump(path, objects):
    with open(path, "w") as file:
        size = file.write("apiVersion: v1\nkind: List\nitems:\n")
        for _, _, text in objects:
            lines = text.splitlines()
            size += file.write("- " + "\n  ".join(lines) + "\n")
    return size


class Bench:
    def __init__(self, program, scratch, runs):
        self.program, self.scratch, self.runs = program, scratch, runs

    def run(self, *arguments, runs=None, threads=None, program=None):
        """CPU seconds, seconds and bytes of memory: the least of a few runs."""
        best = None
        for _ in range(runs or self.runs):
            environment = dict(os.environ, NO_COLOR="1")
            if threads:
                environment["RAYON_NUM_THREADS"] = str(threads)
            start = time.monotonic()
            child = subprocess.Popen(
                [program or self.program, *arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=environment, cwd=self.scratch,
            )
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            # A run that could not use its arguments costs nothing.
            if child.returncode not in (0, 1):
                sys.exit(f"{' '.join(arguments)}: exit status {child.returncode}")
            scale = 1 if sys.platform == "darwin" else 1024
            found = (usage.ru_utime + usage.ru_stime, time.monotonic() - start, usage.ru_maxrss * scale)
            best = found if best is None else tuple(min(pair) for pair in zip(best, found))
        return best

    def path(self, name):
        return os.path.join(self.scratch, name)


def row(goal, what, value, must, unit="x"):
    print(f"{goal:>4}  {what:<58} {value:8.2f}{unit}  must {must}", flush=True)


def compare(bench, name, path, size):
    """Goals 9 and 13 for one input."""
    files = bench.run("files", "--no-config", path)
    lint = bench.run("lint", "--no-config", "-o", "concise", path)
    row(13, f"{name}: lint / files, cpu ({lint[0]:.2f} s, {size / 1e6:.0f} MB)", lint[0] / files[0], "<= 2")
    row(9, f"{name}: peak memory / bytes of input", lint[2] / size, "<= 2.5 (dump), 0.5 (tree)")
    return files, lint


def trees(bench):
    for size in ("medium", "large"):
        path = bench.path(f"{size}-tree")
        written = write_tree(path, cluster(*SIZES[size]))
        compare(bench, f"{size} tree", path, written)
        path = bench.path(f"{size}-kustomize")
        written = write_tree(path, cluster(*SIZES[size]), with_kustomizations=True)
        compare(bench, f"{size} tree of kustomizations", path, written)


def dumps(bench):
    path = bench.path("medium.yaml")
    small = write_dump(path, cluster(*SIZES["medium"]))
    _, before = compare(bench, "medium dump", path, small)
    path = bench.path("large.yaml")
    large = write_dump(path, cluster(*SIZES["large"]))
    _, after = compare(bench, "large dump", path, large)
    grown = (after[0] / before[0]) / (large / small)
    row(7, "medium -> large dump: growth of cpu per growth of bytes", grown, "<= 1.4")
    one = bench.run("lint", "--no-config", "-o", "concise", path, threads=1)
    two = bench.run("lint", "--no-config", "-o", "concise", path, threads=2)
    row(8, "large dump: one thread / two threads, elapsed", one[1] / two[1], ">= 1.6")
    ends = ("team-1/Deployment/app-1", "team-2/Deployment/app-2")
    reach = bench.run("reach", "--no-config", *ends, path)
    row(10, "large dump: reach / lint, cpu", reach[0] / after[0], "<= 0.33")
    answer = bench.run("reach", "--no-config", *ends, "--expect", "blocked", path)
    row(16, "large dump: reach with its search / reach --expect", reach[0] / answer[0], "<= 1.3")
    fixed = bench.run("lint", "--no-config", "--fix=all", "--diff", path)
    row(16, "large dump: lint --fix=all --diff / lint, cpu", fixed[0] / after[0], "<= 2")


def growth(bench):
    namespaces, workloads, policies = 100, 4000, 4000
    base = None
    for name, factors in (
        ("as it is", (1, 1)), ("twice the workloads", (2, 1)),
        ("twice the policies", (1, 2)), ("twice both", (2, 2)),
    ):
        path = bench.path(name + ".yaml")
        write_dump(path, cluster(namespaces, workloads * factors[0], policies * factors[1]))
        cpu = bench.run("lint", "--no-config", "-o", "concise", path)[0]
        base = base or cpu
        row(15, f"{name}: growth of cpu", cpu / base, "<= 2.3")


def overlays(bench):
    base = bench.path("base")
    write_tree(base, cluster(1, 30, 20))
    kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    names = sorted(os.listdir(os.path.join(base, "team-0")))
    with open(os.path.join(base, "team-0", "kustomization.yaml"), "w") as file:
        file.write(kustomization + "resources:\n" + "".join(f"- {name}\n" for name in names))
    measured = []
    for count in (1, 40):
        root = bench.path(f"overlays-{count}")
        shutil.copytree(base, os.path.join(root, "base"))
        for number in range(count):
            directory = os.path.join(root, f"overlay-{number}")
            os.makedirs(directory)
            with open(os.path.join(directory, "kustomization.yaml"), "w") as file:
                file.write(f"{kustomization}namePrefix: x{number}-\nresources: [../base/team-0]\n")
        measured.append(bench.run("lint", "--no-config", "-o", "concise", root))
    one, many = measured
    row(17, "40 overlays / 1 overlay, cpu", many[0] / one[0], "<= 42")
    row(17, "40 overlays / 1 overlay, memory", many[2] / one[2], "<= 10")


def thousand(bench):
    path = bench.path("thousand")
    write_tree(path, cluster(10, 280, 140))
    _, elapsed, _ = bench.run("lint", "--no-config", "-o", "concise", path, runs=5)
    row(12, "lint of 1,000 files, the whole process", elapsed * 1000, "< 150", " ms")


def rules(bench):
    """What each rule costs: a run without it against a run with all. A run of the medium dump is
    too short to tell; it only says which rules are worth a look at the large one."""
    pages = os.path.join(HERE, "docs", "rules")
    names = sorted(page[:-3] for page in os.listdir(pages) if page.endswith(".md") and page != "README.md")
    config = bench.path("npcheck.yaml")
    for size, kept in (("medium", 12), ("large", 5)):
        path = bench.path(f"rules-{size}.yaml")
        write_dump(path, cluster(*SIZES[size]))
        everything = bench.run("lint", "--no-config", "-o", "concise", path, runs=5)[0]
        shares = []
        for name in names:
            with open(config, "w") as file:
                file.write(f"rules:\n  {name}: {{severity: off, reason: measured}}\n")
            without = bench.run("lint", "--config", config, "-o", "concise", path)[0]
            shares.append(((everything - without) / everything, name))
        shares = sorted(shares, reverse=True)[:kept]
        names = [name for _, name in shares]
    for share, name in shares:
        row(14, f"large dump: the share of {name}", 100 * share, "<= 10", " %")


PARTS = {"tree": trees, "dump": dumps, "growth": growth, "overlays": overlays, "files": thousand, "rules": rules}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--npcheck", default=os.path.join(HERE, "target", "release", "npcheck"))
    parser.add_argument("--only", default=",".join(PARTS), help="some of: " + ", ".join(PARTS))
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for part in options.only.split(","):
        with tempfile.TemporaryDirectory() as scratch:
            PARTS[part](Bench(os.path.abspath(options.npcheck), scratch, options.runs))


if __name__ == "__main__":
    main()
