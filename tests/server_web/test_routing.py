"""Pages answer HEAD as they answer GET; a Hub that ends lets go of what runs in it."""

from pathlib import Path

import httpx
import pytest

from graft.server.running import RunningHub
from hub_samples import Garden, contents, make_model


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/models", 200), ("/maren/questions-tiny", 200), ("/maren/nothing", 404)],
)
def test_head_answers_as_get_does_without_a_body(
    visitor: httpx.Client, path: str, status: int
) -> None:
    asked, read = visitor.head(path), visitor.get(path)
    assert asked.status_code == read.status_code == status
    assert asked.headers["content-type"] == read.headers["content-type"]
    assert asked.content == b""


def test_a_hub_that_stops_lets_go_of_its_models(tmp_path: Path) -> None:
    with RunningHub(tmp_path / "hub") as hub:
        token = hub.add_user("maren")
        model = make_model(tmp_path / "model")
        Garden(hub.url, token, model, hub).push("maren/tiny", contents(model))
        asked = httpx.post(f"{hub.url}/infer/models/maren/tiny", json={"inputs": "Who?"})
        assert asked.status_code == 200
        assert hub.app.state.inference.loaded == 1
    assert hub.app.state.inference.loaded == 0
