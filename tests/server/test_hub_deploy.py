"""The files that put a Hub into service, and the operator's page: checked without any container."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from graft.server.settings import describe

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KNOWN = {each.variable for each in describe()}


def test_what_the_image_copies_is_there() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1:-1] for line in lines if re.match(r"COPY (?!--from)", line)]
    paths = [path for group in copied for path in group]
    assert "src" in paths
    assert not [path for path in paths if not (ROOT / path).exists()]
    sent = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    ]
    assert sorted(sent) == sorted(path.removeprefix("./") for path in paths)


def test_the_image_does_not_run_as_root_and_tells_its_health() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    last_stage = text[text.rindex("\nFROM") :]
    assert re.search(r"^USER graft$", last_stage, re.MULTILINE)
    assert "HEALTHCHECK" in last_stage
    assert "/healthz" in last_stage


def test_compose_is_whole() -> None:
    content = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = content["services"]
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        assert set(service["networks"]) <= set(content["networks"]), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            known = (DEPLOY / source).exists() if source.startswith(".") else False
            assert known or source in content["volumes"], (name, source)
    assert {"hub", "hub-2", "proxy", "database", "storage"} <= set(services)
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    needed = set(re.findall(r"\$\{([A-Z_0-9]+):\?", (DEPLOY / "compose.yaml").read_text()))
    given = set(re.findall(r"^([A-Z_0-9]+)=", (DEPLOY / ".env.example").read_text(), re.MULTILINE))
    assert needed == given


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "graft-hub.service", "nginx.conf"])
def test_settings_that_are_named_exist(name: str) -> None:
    text = (DEPLOY / name).read_text()
    assert set(re.findall(r"\bGRAFT_[A-Z_]+\b", text)) <= KNOWN


def test_the_operators_page_knows_all_settings() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    assert set(re.findall(r"\bGRAFT_[A-Z_]+\b", page)) == KNOWN
    script = ROOT / "scripts" / "settings_table.py"
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("settings_table", script)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.page_with_table(page) == page, "run python scripts/settings_table.py"


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "graft-hub.service"
    text = (DEPLOY / "graft-hub.service").read_text()
    unit.write_text(text.replace("/opt/graft/bin/graft", shutil.which("true") or "/bin/true"))
    ran = subprocess.run([program, "verify", str(unit)], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_proxys_settings_are_what_nginx_takes(tmp_path: Path) -> None:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    text = (DEPLOY / "nginx.conf").read_text()
    text = re.sub(r"server hub(-2)?:8080", r"server 127.0.0.1:8080", text)
    path = tmp_path / "nginx.conf"
    path.write_text(text.replace("/tmp/", f"{tmp_path}/"))
    ran = subprocess.run([program, "-t", "-c", str(path)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
