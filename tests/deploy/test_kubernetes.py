"""The manifests, built by kubectl and checked against Kubernetes' schemas; Qdrant's values, against what its chart reads."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from doubles.deployed import DEPLOY, Tool

KUBERNETES = DEPLOY / "kubernetes"
FOLDERS = ("base", "ingest", "overlays/production", "overlays/production-ingest")
#: The oldest with all that the manifests use, and the newest that is known.
OLDEST, NEWEST = "1.30", "1.37"
#: What the chart's templates and its schema read at the top, by its version 1.16; what is written elsewhere would do nothing.
CHART_VALUES = frozenset({
    "additionalAnnotations", "additionalLabels", "additionalVolumeMounts", "additionalVolumes", "affinity", "apiKey", "args",
    "chartTests", "config", "containerSecurityContext", "env", "fullnameOverride", "image", "imagePullSecrets", "ingress",
    "lifecycle", "livenessProbe", "metrics", "nameOverride", "nodeSelector", "persistence", "podAnnotations",
    "podDisruptionBudget", "podLabels", "podManagementPolicy", "podSecurityContext", "priorityClassName", "readOnlyApiKey",
    "readinessProbe", "replicaCount", "resources", "service", "serviceAccount", "shareProcessNamespace", "sidecarContainers",
    "snapshotPersistence", "snapshotRestoration", "startupProbe", "terminationGracePeriodSeconds", "tolerations",
    "topologySpreadConstraints", "updateVolumeFsOwnership",
})  # fmt: skip

Objects = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def built(tool: Tool) -> dict[str, Objects]:
    """The objects of each folder, by kind and name without the hash of generated ones."""
    return {folder: _build(tool, KUBERNETES / folder) for folder in FOLDERS}


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "qdrant" / "values.yaml").read_text())
    return read


@pytest.mark.parametrize("folder", ["overlays/production", "overlays/production-ingest"])
def test_every_object_fits_its_schema(built: dict[str, Objects], folder: str) -> None:
    beneath = "ingest" if folder.endswith("ingest") else "base"
    assert set(built[beneath]) <= set(built[folder])
    for manifest in built[folder].values():
        kubernetes_validate.validate(manifest, NEWEST, strict=True)


@pytest.mark.parametrize(("folder", "name"), [("base", "Deployment/topicidx"), ("ingest", "Job/topicidx-ingest")])
def test_pods_fit_the_oldest_version(built: dict[str, Objects], folder: str, name: str) -> None:
    kubernetes_validate.validate(built[folder][name], OLDEST, strict=True)


def test_a_misspelt_field_would_be_found(built: dict[str, Objects]) -> None:
    deployment = json.loads(json.dumps(built["base"]["Deployment/topicidx"]))
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


def test_the_loader_mounts_what_the_others_do(built: dict[str, Objects]) -> None:
    loader = yaml.safe_load((KUBERNETES / "loader.yaml").read_text())
    kubernetes_validate.validate(loader, NEWEST, strict=True)
    mounts = {mount["mountPath"] for mount in loader["spec"]["containers"][0]["volumeMounts"]}
    claims = {volume["persistentVolumeClaim"]["claimName"] for volume in loader["spec"]["volumes"]}
    for _, pod in _pods(built["base"]) + _pods(built["ingest"]):
        assert mounts == {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]} - {"/tmp"}
        assert claims == {
            volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"] if "emptyDir" not in volume
        }
    # The service must not send requests to it.
    assert not built["base"]["Service/topicidx"]["spec"]["selector"].items() <= loader["metadata"]["labels"].items()


@pytest.mark.parametrize("folder", ["ingest", "overlays/production-ingest"])
def test_the_pods_of_the_ingest_write_every_shard_once(built: dict[str, Objects], folder: str, tmp_path: Path) -> None:
    job = built[folder]["Job/topicidx-ingest"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    assert job["completionMode"] == "Indexed"
    assert job["parallelism"] <= job["completions"]
    assert container["command"][:3] == ["tini", "--", "sh"]
    (stub := tmp_path / "topicidx").write_text('#!/bin/sh\necho "$@"\n')
    stub.chmod(0o755)
    shards = []
    for index in range(job["completions"]):
        environment = {
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "JOB_COMPLETION_INDEX": str(index),
            **{variable["name"]: variable["value"] for variable in container["env"] if "value" in variable},
        }
        said = subprocess.run(
            [*container["command"][2:], *container["args"]], env=environment, capture_output=True, text=True, check=True
        )
        assert said.stdout.startswith("ingest /photos --shard ")
        shards.append(said.stdout.split()[3])
    count = job["completions"]
    assert shards == [f"{number}/{count}" for number in range(1, count + 1)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_pods_are_closed(built: dict[str, Objects], folder: str) -> None:
    for name, pod in _pods(built[folder]):
        assert pod["securityContext"]["runAsNonRoot"], name
        assert not pod["automountServiceAccountToken"], name
        # Variables such as TOPICIDX_PORT=tcp://... of a Service called topicidx are no settings.
        assert not pod["enableServiceLinks"], name
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"], name
            assert container["resources"]["limits"]["memory"], name
            assert ":" in container["image"], name
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_pods_are_as_restricted_as_the_namespace_wants_them(built: dict[str, Objects], values: dict[str, Any]) -> None:
    labels = built["overlays/production"]["Namespace/topicidx"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    loader = yaml.safe_load((KUBERNETES / "loader.yaml").read_text())["spec"]
    pods = [pod for folder in FOLDERS for _, pod in _pods(built[folder])]
    for pod in [*pods, loader]:
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
    # The chart itself says that Qdrant runs as an ordinary user and gets no further privileges.
    assert values["containerSecurityContext"] == {
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}
    }  # fmt: skip
    # Its container that changes owners would need more.
    assert values["updateVolumeFsOwnership"] is False


def test_the_service_finds_its_pods(built: dict[str, Objects]) -> None:
    base = built["base"]
    labels = base["Deployment/topicidx"]["spec"]["template"]["metadata"]["labels"].items()
    for name in ("Service/topicidx", "PodDisruptionBudget/topicidx", "NetworkPolicy/topicidx"):
        spec = base[name]["spec"]
        selector = spec.get("podSelector", spec.get("selector"))
        assert selector.get("matchLabels", selector).items() <= labels, name
    ingest = built["ingest"]["Job/topicidx-ingest"]["spec"]["template"]["metadata"]["labels"]
    assert not base["Service/topicidx"]["spec"]["selector"].items() <= ingest.items()


def test_settings_are_settings_of_topicidx(built: dict[str, Objects], monkeypatch: pytest.MonkeyPatch) -> None:
    from topicidx.settings import Settings

    for variable in [name for name in os.environ if name.startswith("TOPICIDX_")]:
        monkeypatch.delenv(variable)
    for name, value in built["overlays/production-ingest"]["ConfigMap/topicidx-ingest"]["data"].items():
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    assert settings.store == built["base"]["ConfigMap/topicidx"]["data"]["TOPICIDX_STORE"]
    assert settings.server.shard_number == 12
    assert settings.server.replication_factor == 2


def test_keys_are_where_the_chart_puts_them(built: dict[str, Objects], values: dict[str, Any]) -> None:
    """The chart keeps the keys that it makes in FULLNAME-apikey."""
    assert values["apiKey"] is True
    assert values["readOnlyApiKey"] is True
    wanted = {
        (variable["valueFrom"]["secretKeyRef"]["name"], variable["valueFrom"]["secretKeyRef"]["key"])
        for folder in FOLDERS
        for _, pod in _pods(built[folder])
        for variable in pod["containers"][0]["env"]
        if variable["name"] == "TOPICIDX_API_KEY"
    }
    full_name = values["fullnameOverride"]
    assert wanted == {(f"{full_name}-apikey", "api-key"), (f"{full_name}-apikey", "read-only-api-key")}
    assert built["base"]["ConfigMap/topicidx"]["data"]["TOPICIDX_STORE"] == f"http://{full_name}:6333"


def test_the_values_are_those_that_the_chart_reads(values: dict[str, Any]) -> None:
    assert set(values) <= CHART_VALUES


def test_the_values_make_a_stateful_set(values: dict[str, Any]) -> None:
    """What the chart puts into its pods as it is fits the schema of a pod."""
    probe = {"httpGet": {"path": "/", "port": 6333}}
    probes = {
        name: probe | {key: value for key, value in values[name].items() if key != "enabled"}
        for name in ("livenessProbe", "startupProbe")
    }
    labels = {"app.kubernetes.io/name": "qdrant", "app.kubernetes.io/instance": "qdrant"}
    claims = [
        {
            "metadata": {"name": name},
            "spec": {
                "accessModes": values[name]["accessModes"],
                "resources": {"requests": {"storage": values[name]["size"]}},
            },
        }
        for name in ("persistence", "snapshotPersistence")
    ]
    pod = {
        "affinity": values["affinity"],
        "topologySpreadConstraints": values["topologySpreadConstraints"],
        "containers": [
            {
                "name": "qdrant",
                "image": "qdrant/qdrant",
                "resources": values["resources"],
                "securityContext": values["containerSecurityContext"],
                **probes,
            }
        ],
    }
    stateful_set = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": values["fullnameOverride"]},
        "spec": {
            "replicas": values["replicaCount"],
            "serviceName": "qdrant-headless",
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            "volumeClaimTemplates": claims,
        },
    }
    kubernetes_validate.validate(stateful_set, NEWEST, strict=True)
    terms = values["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert all(term["labelSelector"]["matchLabels"] == labels for term in terms)


def test_a_majority_survives_the_loss_of_a_node(built: dict[str, Objects], values: dict[str, Any]) -> None:
    settings = built["ingest"]["ConfigMap/topicidx-ingest"]["data"]
    assert values["replicaCount"] >= 3
    assert values["podDisruptionBudget"] == {"enabled": True, "maxUnavailable": 1}
    assert int(settings["TOPICIDX_SERVER__REPLICATION_FACTOR"]) == 2
    assert int(settings["TOPICIDX_SERVER__SHARD_NUMBER"]) % values["replicaCount"] == 0


def _build(tool: Tool, folder: Path) -> Objects:
    made = tool("kubectl", "kustomize", folder)
    assert (made.returncode, made.stderr) == (0, "")
    found = list(yaml.safe_load_all(made.stdout))
    generated = {"ConfigMap"}
    return {
        f"{one['kind']}/{_without_hash(one['metadata']['name']) if one['kind'] in generated else one['metadata']['name']}": one
        for one in found
    }


def _without_hash(name: str) -> str:
    return name.rpartition("-")[0]


def _pods(objects: Objects) -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, one["spec"]["template"]["spec"]) for name, one in objects.items() if one["kind"] in {"Deployment", "Job"}
    ]
