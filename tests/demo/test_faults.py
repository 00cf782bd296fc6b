"""Refused keys and broken answers."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tracker.demo.running import DemoServer, demo_server


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with demo_server(speed=100) as running:
        yield running


@pytest.fixture
def client(server: DemoServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"Authorization": "Bearer sk-test"}) as opened:
        yield opened


def asked(client: httpx.Client, how: str, fault: str, timeout: float = 5) -> httpx.Response:
    """The same fault, asked alone or among others."""
    if how == "batch":
        return client.post("/relay/suno/fetch", json={"ids": ["done-1", f"{fault}-1"]}, timeout=timeout)
    path = {"relay": "/relay/suno/fetch", "huiyan": "/huiyan/suno/fetch", "qhaigc": "/qhaigc/v1/music/tasks"}
    return client.get(f"{path[how]}/{fault}-1", timeout=timeout)


everywhere = pytest.mark.parametrize("how", ["relay", "huiyan", "qhaigc", "batch"])


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        ("", 401, ""),
        ("Bearer", 401, ""),
        ("Basic abc", 401, ""),
        ("Bearer refused-key", 401, ""),
        ("Bearer empty-key", 403, "insufficient_user_quota"),
        ("Bearer limited-key", 429, ""),
    ],
)
@everywhere
def test_a_key_may_be_refused(client: httpx.Client, how: str, authorization: str, status: int, code: str) -> None:
    client.headers["Authorization"] = authorization
    response = asked(client, how, "done")
    assert response.status_code == status
    assert response.json()["error"]["type"] == "new_api_error"
    assert response.json()["error"]["code"] == code
    assert (response.headers.get("Retry-After") == "5") is (status == 429)


@pytest.mark.parametrize(
    ("fault", "status"),
    [("fault-401", 401), ("fault-403", 403), ("fault-429", 429), ("fault-500", 500), ("fault-quota", 403)],
)
@everywhere
def test_a_whole_answer_may_be_an_error(client: httpx.Client, how: str, fault: str, status: int) -> None:
    response = asked(client, how, fault)
    assert response.status_code == status
    body = response.json()
    assert "error" in body or body["data"] is None
    if fault == "fault-429":
        assert response.headers["Retry-After"] == "5"


@everywhere
def test_html_comes_from_a_gateway(client: httpx.Client, how: str) -> None:
    response = asked(client, how, "fault-html")
    assert (response.status_code, response.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert "Cloudflare" in response.text


@everywhere
def test_json_may_be_truncated_or_the_connection_cut(client: httpx.Client, how: str) -> None:
    response = asked(client, how, "fault-truncated")
    assert response.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        response.json()
    with pytest.raises(httpx.RemoteProtocolError):
        asked(client, how, "fault-cut")


@everywhere
def test_an_answer_may_be_ten_megabytes(client: httpx.Client, how: str) -> None:
    response = asked(client, how, "fault-big")
    assert len(response.content) > 10 * 1024 * 1024
    assert response.json()["code"] == "success"


@everywhere
def test_an_answer_may_never_come(client: httpx.Client, how: str) -> None:
    with pytest.raises(httpx.ReadTimeout):
        asked(client, how, "fault-hang", timeout=0.2)


@everywhere
def test_an_answer_may_be_of_another_type(client: httpx.Client, how: str) -> None:
    plain = asked(client, how, "fault-type")
    assert plain.headers["Content-Type"].startswith("text/plain")
    assert plain.json()["code"] == "success"
    image = asked(client, how, "fault-image")
    assert image.headers["Content-Type"] == "image/png"
    assert image.content.startswith(b"\x89PNG\r\n\x1a\n")


def test_an_unknown_task_is_told_in_two_ways(client: httpx.Client) -> None:
    new_api = asked(client, "relay", "unknown")
    assert new_api.status_code == 400
    assert new_api.json() == {"code": "task_not_exist", "message": "task_not_exist", "data": None}
    one_hub = asked(client, "relay", "fault-404")
    assert one_hub.status_code == 404
    assert one_hub.json() == {"code": "task_not_exist", "message": "task_not_exist"}


def test_a_wrong_path_is_told_in_the_relays_words(client: httpx.Client) -> None:
    response = client.get("/relay/v1/nothing")
    assert response.status_code == 404
    assert response.json()["error"]["message"] == "Invalid URL (GET /relay/v1/nothing)"
