"""HTTP manners: methods, errors, CORS, and who is let in."""

import contextlib
import http.client
import json

import pytest
import requests
from conftest import WELCOME
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

GET_ROUTES = ["/", "/system", "/network"]


@pytest.mark.parametrize("path", [*GET_ROUTES, "/connect", "/ws", "/no/such/route"])
def test_options_anywhere(server, path):
    response = requests.options(server.url + path, timeout=20)
    assert (response.status_code, response.content) == (204, b"")


def test_preflight_of_a_local_page(server):
    origin = "http://localhost:8000"
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    response = requests.options(server.url, headers=headers, timeout=20)
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert "content-type" in response.headers["Access-Control-Allow-Headers"].lower()
    answer = requests.post(server.url, headers={"Origin": origin}, timeout=20)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize("path", GET_ROUTES)
def test_head(server, path):
    get, head = requests.get(server.url + path, timeout=20), requests.head(server.url + path, timeout=20)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


def test_unknown_route(server):
    response = requests.get(f"{server.url}/no/such/route", timeout=20)
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("application/json")
    assert isinstance(response.json()["error"], str)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/", {"GET", "HEAD", "POST"}),
        ("PUT", "/system", {"GET", "HEAD"}),
        ("POST", "/system", {"GET", "HEAD"}),
        ("POST", "/network", {"GET", "HEAD"}),
        ("POST", "/connect", {"GET"}),
    ],
)
def test_wrong_method(server, method, path, allowed):
    response = requests.request(method, server.url + path, timeout=20)
    assert response.status_code == 405
    assert isinstance(response.json()["error"], str)
    assert allowed <= {name.strip() for name in response.headers["Allow"].split(",")}


def test_connect_without_upgrade(server):
    response = requests.get(f"{server.url}/connect?id={server.worker()}", timeout=20)
    assert 400 <= response.status_code < 500
    assert response.json()["error"]


def test_body_that_is_too_large(server):
    response = requests.post(server.url, data=b"x" * (64 * 1024 + 1), timeout=20)
    assert response.status_code == 413
    assert response.json()["error"]


def test_a_foreign_page_is_refused(server):
    """A page of another site must neither read nor open a stream."""
    headers = {"Origin": "http://evil.example"}
    for method, path in [("GET", "/system"), ("POST", "/")]:
        response = requests.request(method, server.url + path, headers=headers, timeout=20)
        assert response.status_code == 403
        assert "Access-Control-Allow-Origin" not in response.headers
        assert response.json()["error"]
    with pytest.raises(InvalidStatus) as refused, connect(
        server.ws(f"/connect?id={server.worker()}"), origin="http://evil.example"
    ):
        pass
    assert refused.value.response.status_code == 403


def test_a_local_page_may_stream(server):
    with server.connect(origin="http://localhost:8000") as socket:
        assert socket.recv(timeout=20) == WELCOME


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4500", "127.0.0.1.evil.example"])
def test_a_foreign_host_name_is_refused(server, host):
    """DNS rebinding: the address is ours, the name is not. What a proxy says about the name counts for nothing."""
    with contextlib.closing(http.client.HTTPConnection(server.host, server.port, timeout=20)) as connection:
        connection.request("GET", "/system", headers={"Host": host, "X-Forwarded-Host": "localhost"})
        response = connection.getresponse()
        assert 400 <= response.status < 500
        assert json.loads(response.read())["error"]


def test_known_host_names_are_served(server):
    for host in (f"127.0.0.1:{server.port}", f"localhost:{server.port}", "localhost"):
        assert requests.get(f"{server.url}/system", headers={"Host": host}, timeout=20).status_code == 200
