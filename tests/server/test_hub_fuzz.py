"""Requests made up from the Hub's own OpenAPI: none ends in a fault of the Hub.

`make fuzz-api` tries many more.
"""

import re
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from person import Person

from graft.server.running import RunningHub

EXAMPLES = 2


def test_made_up_requests_never_meet_a_fault(tmp_path: Path) -> None:
    with RunningHub(tmp_path) as hub:
        headers = {"Authorization": f"Bearer {hub.add_user('ada')}"}
        body = {"name": "name", "type": "model"}
        httpx.post(f"{hub.url}/api/repos/create", json=body, headers=headers).raise_for_status()
        schema = schemathesis.openapi.from_url(f"{hub.url}/api/openapi.json")
        problems = []
        for found in schema.get_all_operations():
            problems += problems_of(found.ok(), hub.url, headers)
        assert problems == []


def test_the_description_names_each_operation_once_and_all_parts_of_its_address(
    anyone: httpx.Client,
) -> None:
    paths = anyone.get("/api/openapi.json").json()["paths"]
    operations = [(address, found) for address, path in paths.items() for found in path.values()]
    names = [found["operationId"] for _, found in operations]
    assert len(names) == len(set(names)) > 100
    for address, found in operations:
        described = {one["name"] for one in found["parameters"] if one["in"] == "path"}
        assert described == set(re.findall(r"{(\w+)}", address)), address


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("get", "/api/{kind}/{owner}/{name}/compare/{revisions}"),
        ("get", "/api/{kind}/{owner}/{name}/commit/{revision}"),
        ("post", "/api/validate-yaml"),
    ],
)
def test_the_description_says_where_text_can_be_asked_for(
    anyone: httpx.Client, method: str, address: str
) -> None:
    described = anyone.get("/api/openapi.json").json()["paths"][address][method]
    assert set(described["responses"]["200"]["content"]) == {"application/json", "text/plain"}


def test_a_name_with_control_characters_is_refused_like_any_other(anyone: httpx.Client) -> None:
    address = "/datasets/%1B%08/0/info/refs?service=git-upload-pack"
    answer = anyone.get(address)
    assert answer.status_code == 401
    assert "There is no data set ??/0 on this Hub" in answer.headers["X-Error-Message"]


def test_a_body_that_is_not_text_is_refused_as_lfs_clients_read_it(anyone: httpx.Client) -> None:
    address = "/ada/name/info/lfs/objects/batch"
    headers = {"Content-Type": "application/vnd.git-lfs+json"}
    answer = anyone.post(address, content=b"\xff\xfe{", headers=headers)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/vnd.git-lfs+json"
    assert answer.json()["message"] == answer.json()["error"] != ""


def test_an_address_names_all_methods_that_it_can_be_asked_for_with(
    anyone: httpx.Client,
) -> None:
    """They belong to several routes, of which the framework would name the first one's."""
    refused = anyone.request("OPTIONS", "/api/collections/ada/best")
    assert refused.status_code == 405
    assert refused.headers["Allow"] == "DELETE, GET, PATCH"
    page = anyone.request("PUT", "/login", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["Allow"]) == (405, "GET, HEAD, POST")


def test_a_lock_that_another_holds_is_refused_in_the_form_of_all_errors(ada: Person) -> None:
    address = f"/{ada.create('locked')}/info/lfs/locks"
    assert ada.http.post(address, json={"path": "a.bin"}).status_code == 201
    refused = ada.http.post(address, json={"path": "a.bin"})
    assert refused.status_code == 409
    assert refused.json()["message"] == refused.json()["error"]
    assert refused.json()["lock"]["owner"] == {"name": ada.name}


def problems_of(
    operation: schemathesis.APIOperation, url: str, headers: dict[str, str]
) -> list[str]:
    """What ended in a fault, or with a status that the description does not know."""
    known = set(operation.responses.status_codes)
    problems = []

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def send(case: schemathesis.Case) -> None:
        status = case.call(base_url=url, headers=headers, timeout=30).status_code
        if status == 500 or not {str(status), f"{status // 100}XX"} & known:
            problems.append(f"{status}: {case.as_curl_command()}")

    send()
    return problems
