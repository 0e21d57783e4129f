"""HTTP Basic: a token as the password, or a user's name and password, wherever a token is asked for."""

import base64
import threading
import time

import requests
from conftest import PASSWORD, TOKEN, TRIES, running, write
from cost import cpu_seconds
from websockets.sync.client import connect

PATHS = "/system", "/api/cpu", "/api/v1/snapshot", "/metrics"


def get(server, path="/system", name="ann", password=PASSWORD, **options):
    return requests.get(server.url + path, auth=(name, password), timeout=30, **options)


def test_a_token_or_a_users_password_opens_every_route(files):
    with running(*files) as server:
        for path in PATHS:
            assert requests.get(server.url + path, timeout=20).status_code == 401
            for name, password in (("ann", PASSWORD), ("whoever", TOKEN), ("", TOKEN)):
                assert get(server, path, name, password).status_code == 200, (path, name)
        refused = get(server, password="wrong")
        assert refused.status_code == 401 and refused.json()["error"]
        # Browsers would keep a name and password that they were asked for, and send them for any page.
        assert "Basic" not in refused.headers["WWW-Authenticate"]
        key = base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
        with connect(server.ws("/"), additional_headers={"Authorization": f"Basic {key}"}, open_timeout=20) as socket:
            socket.send('{"type":"command","data":{"name":"host.getstats"}}')
            assert "response" in socket.recv(20)
        log = "".join(server.errors)
        assert PASSWORD not in log and TOKEN not in log and key not in log


def test_it_is_not_looked_at_where_nothing_is_asked(files):
    with running() as server:
        assert get(server, name="undefined", password="undefined").status_code == 200
    with running(*files) as server:
        worker = requests.post(server.url, auth=("ann", PASSWORD), timeout=30).json()["id"]
        # As many as there are tries, and more: the words of a proxy in front, say.
        for path in ("/", "/healthz", "/static/app.js") * TRIES:
            assert get(server, path, "proxy", "proxy's own").status_code == 200
        stream = get(server, f"/api/processes?ticket={worker}", "proxy", "proxy's own", stream=True)
        assert stream.status_code == 200
        stream.close()
        assert get(server).status_code == 200


def test_wrong_ones_count_as_logins(files):
    with running(*files) as server:
        for _ in range(3 * TRIES):
            assert get(server, name="undefined", password="undefined").status_code == 401
        for number in range(TRIES - 1):
            assert get(server, password=str(number)).status_code == 401
        late = get(server, password="another")
        assert late.status_code == 429 and int(late.headers["Retry-After"]) > 0
        body = {"username": "ann", "password": PASSWORD}
        assert requests.post(f"{server.url}/authenticate", json=body, timeout=30).status_code == 429
        assert get(server, name="", password=TOKEN).status_code == 200, "nobody locks a token out"


def test_many_at_once_and_one_after_the_other_cost_one_check(files):
    with running(*files) as server:
        codes = []
        askers = [threading.Thread(target=lambda: codes.append(get(server).status_code)) for _ in range(24)]
        [asker.start() for asker in askers]
        [asker.join() for asker in askers]
        assert codes == [200] * 24
        assert sum("logged in" in line for line in server.errors) == 1
        begin = cpu_seconds(server.pid)
        assert requests.post(
            f"{server.url}/authenticate", json={"username": "ann", "password": PASSWORD}, timeout=30
        ).ok
        one_check = cpu_seconds(server.pid) - begin
        session = requests.Session()
        session.auth = ("ann", PASSWORD)
        begin = cpu_seconds(server.pid)
        for _ in range(50):
            assert session.get(f"{server.url}/healthz", timeout=30).ok and session.get(f"{server.url}/api/cpu").ok
        assert cpu_seconds(server.pid) - begin < 25 * one_check
        assert sum("logged in" in line for line in server.errors) == 2


def test_whoever_is_taken_out_of_the_users_file_is_out(files, tmp_path, hashed):
    with running(*files) as server:
        assert get(server).status_code == 200
        write(tmp_path / "users", f"bob:{hashed}\n")
        server.reload("--users-file")
        assert get(server).status_code == 401
        begin = time.monotonic()
        assert get(server, name="bob").status_code == 200
        assert time.monotonic() - begin < 20
