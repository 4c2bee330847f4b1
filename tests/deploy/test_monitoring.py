"""Prometheus and Grafana: promtool reads every rule and query, and every metric that is asked for is one that is exported."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from doubles.deployed import DEPLOY, ROOT, Tool
from topicidx.service.app import create_app
from topicidx.service.options import ServiceOptions
from topicidx.service.service import Service
from topicidx.settings import Settings

MONITORING = DEPLOY / "monitoring"
OPERATIONS = ROOT / "docs" / "operations.md"
#: Of what Qdrant exports, by its documentation of version 1.16 and later, the names that are asked for here.
QDRANT = frozenset({
    "app_status_recovery_mode", "cluster_peers_total", "cluster_pending_operations_total", "collection_active_replicas_min",
    "collection_dead_replicas", "collection_points", "collection_running_optimizations", "grpc_responses_duration_seconds_bucket",
    "grpc_responses_fail_total", "grpc_responses_total", "memory_resident_bytes", "rest_responses_duration_seconds_bucket",
    "rest_responses_total",
})  # fmt: skip
#: Labels that Prometheus itself gives to what it scrapes.
TARGET = {"instance", "job", "le"}


@pytest.fixture(scope="module")
def exported(home: Path) -> dict[str, set[str]]:
    """The samples of a service that was asked a few things, with the labels of each."""
    text = asyncio.run(_asked(home))
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
    return read


@pytest.fixture(scope="module")
def alerts() -> list[dict[str, Any]]:
    read = yaml.safe_load((MONITORING / "alerts.yml").read_text())
    return [rule for group in read["groups"] for rule in group["rules"]]


def test_promtool_passes_the_configuration_and_its_rules(tool: Tool, tmp_path: Path) -> None:
    """With files in place of the secrets, which promtool looks for."""
    text = (MONITORING / "prometheus.yml").read_text()
    (tmp_path / "alerts.yml").write_text((MONITORING / "alerts.yml").read_text())
    for path in re.findall(r"credentials_file: (\S+)", text):
        secret = tmp_path / Path(path).name
        secret.write_text("secret")
        text = text.replace(path, str(secret))
    (tmp_path / "prometheus.yml").write_text(text)
    checked = tool("promtool", "check", "config", tmp_path / "prometheus.yml")
    assert checked.returncode == 0, checked.stderr
    assert "rules found" in checked.stdout


def test_secrets_of_the_configuration_are_those_that_compose_mounts() -> None:
    wanted = re.findall(r"credentials_file: /run/secrets/(\S+)", (MONITORING / "prometheus.yml").read_text())
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert sorted(wanted) == sorted(composed["services"]["prometheus"]["secrets"]) == sorted(composed["secrets"])


def test_alerts_fire_when_things_are_red_and_only_then(tool: Tool) -> None:
    tried = tool("promtool", "test", "rules", Path(__file__).parent / "alerts_test.yml")
    assert tried.returncode == 0, tried.stdout + tried.stderr


def test_every_alert_leads_to_what_to_do(alerts: list[dict[str, Any]]) -> None:
    headings = {_anchor(line.lstrip("# ")) for line in OPERATIONS.read_text().splitlines() if line.startswith("##")}
    assert alerts
    for alert in alerts:
        page, _, anchor = alert["annotations"]["runbook"].partition("#")
        assert ROOT / page == OPERATIONS
        assert anchor in headings, alert["alert"]
        assert alert["labels"]["severity"] in {"critical", "warning"}


def test_promtool_reads_every_query_of_the_dashboard(tool: Tool, dashboard: dict[str, Any], tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "1m")}
        for number, query in enumerate(_queries(dashboard))
    ]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    checked = tool("promtool", "check", "rules", file)
    assert checked.returncode == 0, checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout


def test_every_metric_that_is_asked_for_is_exported(
    exported: dict[str, set[str]], dashboard: dict[str, Any], alerts: list[dict[str, Any]]
) -> None:
    for query in [*_queries(dashboard), *(alert["expr"] for alert in alerts)]:
        names = _metrics(query)
        assert names, query
        unknown = names - exported.keys() - QDRANT - {"up"}
        assert unknown == set(), query


def test_labels_that_are_asked_for_are_those_of_the_service(
    exported: dict[str, set[str]], dashboard: dict[str, Any]
) -> None:
    for query in _queries(dashboard):
        own = {name for name in _metrics(query) if name.startswith("topicidx_")}
        if own:
            known = TARGET.union(*(exported[name] for name in own))
            asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query))
            for listed in re.findall(r"(?:by|ignoring) \(([^)]*)\)", query):
                asked |= {label.strip() for label in listed.split(",")}
            assert asked <= known, query


def test_every_metric_of_the_service_is_explained(exported: dict[str, set[str]]) -> None:
    text = OPERATIONS.read_text()
    for name in exported:
        base = re.sub(r"_(bucket|count|sum|created)$", "", name)
        assert f"`{base}" in text, f"{name} is not explained in {OPERATIONS.name}"
    for name in QDRANT:
        assert f"`{name.removesuffix('_bucket')}" in text, f"{name} is not explained in {OPERATIONS.name}"


def test_grafana_knows_every_field_of_the_dashboard(dashboard: dict[str, Any]) -> None:
    assert _left_out(dashboard, _as_grafana_has_it(dashboard)) == []


def test_grafana_would_not_know_a_misspelt_field(dashboard: dict[str, Any]) -> None:
    wrong = json.loads(json.dumps(dashboard))
    panel = next(panel for panel in wrong["panels"] if panel["type"] == "timeseries")
    panel["fieldConfig"]["defaults"]["custom"]["lineWidht"] = 2
    (left_out,) = _left_out(wrong, _as_grafana_has_it(wrong))
    assert left_out.endswith(".custom.lineWidht")


def test_panels_lie_side_by_side_on_the_grid(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        squares = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not squares & taken, panel["title"]
        assert max(x for x, _ in squares) < 24, panel["title"]
        taken |= squares
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_panels_ask_the_source_that_is_chosen(dashboard: dict[str, Any]) -> None:
    (variable,) = dashboard["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
            assert {source["uid"] for source in sources} == {f"${{{variable['name']}}}"}
            assert panel["title"]
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


async def _asked(home: Path) -> str:
    service = Service(Settings.load(home=home), ServiceOptions())
    transport = httpx.ASGITransport(create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/api/search", params={"q": "beach"})
        await client.get(f"/api/pictures/{answer.json()['results'][0]['id']}/thumbnail")
        await client.get("/api/search", params={"q": "notaword"})
        text = (await client.get("/metrics")).text
    service.close()
    return text


def _left_out(written: Any, known: Any, where: str = "") -> list[str]:
    """Where `known` lacks what is written, or has something else; it may have more: the defaults."""
    if isinstance(written, dict) and isinstance(known, dict):
        return [
            path
            for key, value in written.items()
            for path in _left_out(value, known.get(key, "absent"), f"{where}.{key}")
        ]
    if isinstance(written, list) and isinstance(known, list) and len(written) == len(known):
        pairs = enumerate(zip(written, known, strict=True))
        return [path for number, (one, other) in pairs for path in _left_out(one, other, f"{where}[{number}]")]
    return [] if written == known else [where]


def _as_grafana_has_it(dashboard: dict[str, Any]) -> Any:
    """As Grafana's own types write it: fields that they do not know are left out."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    return json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(dashboard)))


def _queries(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def _metrics(query: str) -> set[str]:
    """The names of metrics in a query: what is no function, no keyword, and no label."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", " ", query)
    bare = re.sub(r"\b(?:by|without|ignoring|on) ?\([^)]*\)", " ", bare)
    return set(re.findall(r"\b[a-z_]\w+\b(?!\s*\()", bare)) - {"and", "or", "unless", "bool", "sum", "max", "min"}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-"))
