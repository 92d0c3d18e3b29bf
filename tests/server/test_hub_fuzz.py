"""Requests made up from the Hub's own OpenAPI: none ends in a fault of the Hub.

`make fuzz-api` tries many more.
"""

import warnings
from pathlib import Path

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from graft.server.running import RunningHub

EXAMPLES = 2


def test_made_up_requests_never_meet_a_fault(tmp_path: Path) -> None:
    with RunningHub(tmp_path) as hub:
        headers = {"Authorization": f"Bearer {hub.add_user('ada')}"}
        body = {"name": "name", "type": "model"}
        httpx.post(f"{hub.url}/api/repos/create", json=body, headers=headers).raise_for_status()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            schema = schemathesis.openapi.from_url(f"{hub.url}/api/openapi.json")
        problems = []
        for found in schema.get_all_operations():
            problems += problems_of(found.ok(), hub.url, headers)
        assert problems == []


def problems_of(
    operation: schemathesis.APIOperation, url: str, headers: dict[str, str]
) -> list[str]:
    """What ended in a fault, or with a status that the description does not know."""
    known = set(operation.responses.status_codes)
    problems = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
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
