"""Dockerfile, compose files and Kubernetes manifests, as far as they can be checked without an engine."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from app.config import PREFIX, Settings
from model.version import VERSION

ROOT = Path(__file__).parents[1]
K8S = ROOT / "deploy" / "k8s"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
GPU = yaml.safe_load((ROOT / "compose.gpu.yaml").read_text())
KUSTOMIZATION = yaml.safe_load((K8S / "kustomization.yaml").read_text())
MANIFESTS = [
    manifest
    for name in KUSTOMIZATION["resources"]
    for manifest in yaml.safe_load_all((K8S / name).read_text())
]
PODS = {
    manifest["metadata"]["name"]: manifest["spec"]["template"]["spec"]
    for manifest in MANIFESTS
    if manifest["kind"] in ("Deployment", "StatefulSet")
}


def stages() -> dict[str, list[str]]:
    """The instructions of every stage by its name, after those of the stage that it builds on."""
    found: dict[str, list[str]] = {}
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    for line in re.findall(r"^[A-Z]+ .*$", joined, re.MULTILINE):
        if line.startswith("FROM "):
            _, base, _, name = line.split()
            found[name] = list(found.get(base, []))
        elif found:
            found[list(found)[-1]].append(line)
    return found


def tracked() -> list[str]:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True)
    return listing.stdout.decode().splitlines()


def run_tool(module: str, *arguments: str) -> None:
    command = [str(Path(sys.executable).with_name(module)), *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_dockerfile_is_sound():
    run_tool("hadolint", "Dockerfile")


def test_what_is_built_by_default_is_small():
    names = list(stages())
    assert names[-1] == "cpu"
    commands = [line for line in stages()["packages"] if "uv sync" in line]
    assert commands and not any("gpu" in line or "tensorflow" in line for line in commands)
    assert "COPY --from=packages /opt/venv /opt/venv" in stages()["cpu"]
    assert any("--extra gpu" in line for line in stages()["packages-gpu"])


def test_extras_of_the_images_are_known():
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = re.findall(r"--extra (\w+)", DOCKERFILE)
    assert set(wanted) == {"scale", "gpu"}
    assert set(wanted) <= set(known)


@pytest.mark.parametrize("image", ["cpu", "gpu"])
def test_images_run_without_root(image):
    users = [line.split()[1] for line in stages()[image] if line.startswith("USER ")]
    assert users and users[-1].split(":")[0].isdecimal() and int(users[-1].split(":")[0]) > 0


@pytest.mark.parametrize("image", ["cpu", "gpu"])
def test_images_stop_in_order_and_say_how_they_are(image):
    lines = stages()[image]
    # The exec form: no shell stands between signals and the server.
    assert 'CMD ["gunicorn"]' in lines
    assert any(line.startswith("HEALTHCHECK ") and 'CMD ["python"' in line for line in lines)
    assert [line for line in lines if line.startswith("VOLUME ")] == ["VOLUME /data"]
    labels = " ".join(line for line in lines if line.startswith("LABEL "))
    assert f'org.opencontainers.image.version="{VERSION}"' in labels
    for name in ("title", "description", "licenses", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels


def test_only_what_is_needed_reaches_the_build():
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = set()
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        copied |= set(line.split()[:-1])
    assert copied == allowed
    files = tracked()
    for name in copied:
        assert any(file == name or file.startswith(name + "/") for file in files), name
    assert "model/artefact/card.json" in files


def test_compose_files_fit_their_schema():
    run_tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")
    run_tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.gpu.yaml")


def test_compose_has_all_parts():
    services = COMPOSE["services"]
    assert set(services) == {"web", "worker", "redis", "postgres", "proxy"}
    assert services["worker"]["command"] == [
        "celery",
        "-A",
        "celery_worker",
        "worker",
        "--pool",
        "solo",
    ]
    assert services["worker"]["deploy"]["replicas"] == "${WORKERS:-1}"
    assert services["web"]["image"] == services["worker"]["image"]
    assert set(GPU["services"]) == {"worker"}
    for services in (COMPOSE["services"], GPU["services"]):
        targets = {s["build"]["target"] for s in services.values() if "build" in s}
        assert targets and targets <= set(stages())
    assert (ROOT / "deploy/Caddyfile").is_file()


def test_settings_exist():
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    files = [ROOT / "Dockerfile", *ROOT.glob("compose*.yaml"), *(ROOT / "deploy").rglob("*")]
    used = {
        name
        for path in files
        if path.is_file()
        for name in re.findall(r"\bBTS_[A-Z_]+", path.read_text())
    }
    assert {"BTS_BROKER_URL", "BTS_DATABASE_URL", "BTS_PROXY_HOPS"} <= used
    assert used <= known


def test_workers_offer_their_numbers_and_logs_are_for_programs():
    services = COMPOSE["services"]
    (container,) = PODS["worker"]["containers"]
    (port,) = container["ports"]
    set_there = {"name": "BTS_METRICS_PORT", "value": str(port["containerPort"])}
    assert set_there in container["env"]
    (policy,) = (item for item in MANIFESTS if item["metadata"]["name"] == "metrics")
    assert policy["spec"]["podSelector"]["matchLabels"] == {"app": "worker"}
    (way_in,) = policy["spec"]["ingress"]
    assert way_in["from"] and [item["port"] for item in way_in["ports"]] == [port["containerPort"]]
    assert int(services["worker"]["environment"]["BTS_METRICS_PORT"]) == port["containerPort"]
    for name in ("web", "worker"):
        assert services[name]["environment"]["BTS_LOG_FORMAT"] == "json"
    (settings,) = KUSTOMIZATION["configMapGenerator"]
    assert "BTS_LOG_FORMAT=json" in settings["literals"]


def test_the_proxy_lets_whole_uploads_through():
    text = (ROOT / "deploy/Caddyfile").read_text()
    limit_mb = int(re.search(r"max_size (\d+)MiB", text)[1])
    default_mb = Settings.model_fields["max_upload_mb"].default
    assert default_mb < limit_mb < default_mb + 10
    assert "read_body" in text and "read_header" in text


def test_the_proxy_forwards_nothing_that_a_client_says_of_proxies():
    text = (ROOT / "deploy/Caddyfile").read_text()
    stripped = {name.lower() for name in re.findall(r"header_up -(\S+)", text)}
    wanted = {"forwarded", "x-real-ip", "x-forwarded-port", "x-forwarded-prefix"}
    assert wanted | {"script_name", "script-name"} <= stripped
    # Those that the app believes are written by Caddy before these are removed.
    assert not stripped & {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}


def test_containers_are_confined():
    for name in ("web", "worker", "proxy"):
        service = COMPOSE["services"][name]
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    for pod in PODS.values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        confined = container["securityContext"]
        assert confined["allowPrivilegeEscalation"] is False
        assert confined["capabilities"] == {"drop": ["ALL"]}
    for name in ("web", "worker"):
        confined = PODS[name]["containers"][0]["securityContext"]
        assert confined["readOnlyRootFilesystem"] is True


def test_only_the_proxy_is_reached_from_outside():
    services = COMPOSE["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    assert COMPOSE["networks"]["back"] == {"internal": True}
    for name in ("worker", "redis", "postgres"):
        assert services[name]["networks"] == ["back"]


def test_manifests_fit_their_schema():
    run_tool("kubernetes-validate", "--strict", *map(str, sorted(K8S.glob("[!k]*.yaml"))))


def test_manifests_have_all_parts():
    assert set(PODS) == {"web", "worker", "redis", "postgres"}
    assert PODS["worker"]["containers"][0]["command"] == COMPOSE["services"]["worker"]["command"]
    assert KUSTOMIZATION["images"][0]["newTag"] == VERSION
    for name in ("web", "worker"):
        assert PODS[name]["containers"][0]["image"] == KUSTOMIZATION["images"][0]["name"]
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/.env", "/deploy/k8s/secret.env"} <= set(ignored)
