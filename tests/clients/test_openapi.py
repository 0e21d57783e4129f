"""The document of the routes: well-formed, and true of what the running program answers.

Real answers are checked against the schemas of five servers: one of this machine, one of it with the portable collector, one
of a machine of which nothing but `stat` can be read, one of the recorded machine of tests/fixtures, and one that has tokens.
"""

import contextlib
import copy
import json
import re
import subprocess

import pytest
import requests
from conftest import ROOT, WELCOME, program, running
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from websockets.sync.client import connect

FIXTURE = ROOT / "tests" / "fixtures" / "machine"
TOKEN = "a-token-of-the-openapi-test"
# Routes that are not JSON when asked without more ado, and how to ask for those that can be.
QUERY = {"/api/process": {"pid": "PID"}, "/api/v1/history": {"range": "1m"}}
# Told by the portable collector only: the time of a process whose parts it does not know.
OPTIONAL = {"/components/schemas/SnapshotProcess": {"cpu_seconds"}}
HEADERS = {"/api/processes": {"Accept": "application/json"}}
# What stands for the parts of a path that a client fills in.
FILLED = {"id": "nobody", "version": "4", "plugin": "percpu", "item": "cpu_number", "key": "0", "value": "0", "count": "2", "name": "style.css"}
COMMANDS = [
    {"name": "process.getall"},
    {"name": "process.get", "pid": "PID"},
    {"name": "process.get", "pid": 0},
    {"name": "process.kill", "pid": 1},
    {"name": "cpu.getall"},
    {"name": "memory.getall"},
    {"name": "disk.getall"},
    {"name": "disk.root.getstats"},
    {"name": "network.getstats"},
    {"name": "host.getstats"},
    {"name": "no.such.command"},
    {},
]


@pytest.fixture(scope="module")
def document(server):
    return requests.get(f"{server.url}/api/v1/openapi.json", timeout=20).json()


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A server of a machine that tells nothing but the CPU's times."""
    proc, nothing = tmp_path_factory.mktemp("proc"), tmp_path_factory.mktemp("nothing")
    (proc / "stat").write_text("cpu  10 0 10 100 0 0 0 0 0 0\n")
    with running("--procfs", str(proc), "--sysfs", str(nothing), "--rootfs", str(nothing)) as one:
        yield one


@pytest.fixture(scope="module")
def recorded():
    """A server of the recorded machine, which has sensors, Wi-Fi and several disks."""
    folders = [f"--{name}fs={FIXTURE / folder}" for name, folder in [("proc", "proc"), ("sys", "sys"), ("root", "root")]]
    with running(*folders) as one:
        yield one


@pytest.fixture(scope="module")
def portable():
    """A server that asks the sysinfo library."""
    with running("--collector", "portable") as one:
        yield one


@pytest.fixture(params=["server", "empty", "recorded", "portable"])
def any_server(request):
    """A server and the PID of a process that it tells of, if any."""
    one = request.getfixturevalue(request.param)
    listed = requests.get(f"{one.url}/api/processes", headers=HEADERS["/api/processes"], timeout=20).json()["Processes"]
    return one, listed[0]["Id"] if listed else 1


def validator(document, pointer):
    """Of the schema at a JSON pointer of the document."""
    schema = {"$ref": f"#{pointer}", **{key: document[key] for key in ("paths", "components")}}
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def check(document, pointer, value):
    wrong = [
        f"{error.json_path}: {error.message[:300]}" for error in validator(document, pointer).iter_errors(value)
    ]
    assert not wrong, f"{pointer}: " + "; ".join(wrong[:5])


def named(name):
    return f"/components/schemas/{name}"


def filled(path):
    """A path as a client asks for it. There is a history of few plugins."""
    names = {**FILLED, **({"plugin": "cpu", "item": "total"} if "history" in path else {})}
    return re.sub(r"\{(\w+)\}", lambda part: names[part[1]], path)


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def described(document, response):
    """A response, also when it is only referred to."""
    if "$ref" in response:
        return document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    return response


def check_response(document, method, path, response):
    """Status, type, headers and, when it is JSON, the body are as the document says."""
    answers = document["paths"][path][method]["responses"]
    assert str(response.status_code) in answers, (method, path, response.status_code, response.text[:200])
    answer = described(document, answers[str(response.status_code)])
    assert all(name in response.headers for name in answer.get("headers", {})), (path, response.headers)
    if "content" not in answer:
        assert response.content == b"", path
        return
    kind = response.headers["Content-Type"].split(";")[0]
    assert kind in answer["content"], (path, kind)
    schema = answer["content"][kind]["schema"]
    body = response.json() if kind == "application/json" else response.text
    schema = {**schema, **{key: document[key] for key in ("paths", "components")}}
    found = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).iter_errors(body)
    wrong = [f"{error.json_path}: {error.message[:300]}" for error in found]
    assert not wrong, f"{method} {path}: " + "; ".join(wrong[:5])


def test_the_document_is_valid(document):
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_it_has_the_programs_version_and_an_entity_tag(server, document):
    version = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    assert document["info"]["version"] == version
    first = requests.get(f"{server.url}/api/v1/openapi.json", timeout=20)
    assert first.headers["Content-Type"] == "application/json"
    known = {"If-None-Match": first.headers["ETag"]}
    again = requests.get(f"{server.url}/api/v1/openapi.json", headers=known, timeout=20)
    check_response(document, "get", "/api/v1/openapi.json", again)
    assert again.status_code == 304


def schemas_within(value, pointer=""):
    """Every schema that describes the keys of an object, with its place."""
    if isinstance(value, dict):
        if isinstance(value.get("properties"), dict) and "type" in value:
            yield pointer, value
        for key, inner in value.items():
            yield from schemas_within(inner, f"{pointer}/{key}")
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from schemas_within(inner, f"{pointer}/{at}")


def test_every_object_lists_its_keys_and_no_other_may_come(document):
    """So that a key that is renamed, added or forgotten in the program is noticed here."""
    # Clients may send more than is asked for; psiod's answer to one command has two keys more.
    exempt = {named("Credentials"), named("PsiodCommand"), named("PsiodCommand") + "/properties/data", named("PsiodResponse"), named("AgentRequest")}
    found = dict(schemas_within(document["components"], "/components"))
    assert len(found) > 50 and found.keys() >= OPTIONAL.keys()
    for pointer, schema in found.items():
        if pointer not in exempt:
            assert schema["additionalProperties"] is False, pointer
            assert sorted(schema["required"]) == sorted(schema["properties"].keys() - OPTIONAL.get(pointer, set())), pointer


def test_every_number_of_the_snapshot_has_a_unit(document):
    """In the name of the key, or in its description, or else it is a count or a number by which something is called."""
    counts = set(
        "core stepping context_switches interrupts forks running blocked runnable total major minor reads reads_merged "
        "writes writes_merged in_progress discards discards_merged flushes inodes_total inodes_free inodes_used index "
        "flags packets errors fifo frame_or_collisions compressed multicast_or_carrier dropped channel count pid "
        "parent_pid uid threads nice bytes soft_interrupts physical_cores pid_max sleeping disk_sleep stopped zombie idle "
        "other".split()
    )
    unit = re.compile(r"(bytes|seconds|ratio|per_second|mhz|celsius|dbm|kibibytes|rpm|bits|cores)$")
    bare = []
    for pointer, schema in schemas_within(document["components"]["schemas"]):
        if not pointer.startswith("/Snapshot"):
            continue
        for key, inner in schema["properties"].items():
            types = inner.get("type", [])
            is_number = {"number", "integer"} & set([types] if isinstance(types, str) else types)
            known = unit.search(key) or key in counts or "Tasks" in inner.get("description", "")
            inherited = pointer in ("/SnapshotModes", "/SnapshotAverages", "/SnapshotExtremes") or key == "prefix_length"
            if is_number and not known and not inherited:
                bare.append(f"{pointer}.{key}")
    assert bare == []


def test_a_receiver_answers_as_described(document, tmp_path):
    report = json.loads((ROOT / "tests" / "fixtures" / "system-monitor" / "send_stats.json").read_text())
    with running("--receive", "--register-system", "LINUX-1,other", "--data-dir", str(tmp_path)) as one:
        for path in ("/systems", "/"):
            for status, body in [
                (202, {"action": "check_url"}),
                (200, {"action": "check_system_id", "system_id": "LINUX-1"}),
                (204, {"action": "check_system_id", "system_id": "free"}),
                (200, report),
                (403, {**report, "system_id": "unknown"}),
                (400, {"action": "send_stats"}),
            ]:
                response = requests.post(one.url + path, json=body, timeout=20)
                assert response.status_code == status, (path, body, response.text)
                if status != 200 or path != "/":
                    check_response(document, "post", path, response)
        for path in ("/systems", "/systems/{id}", "/systems/{id}/history"):
            response = requests.get(one.url + path.replace("{id}", "LINUX-1"), timeout=20)
            assert response.status_code == 200
            check_response(document, "get", path, response)


def json_routes(document):
    return [
        path
        for method, path, operation in operations(document)
        if method == "get" and "application/json" in operation["responses"].get("200", {}).get("content", {})
    ]


def test_real_answers_fit(document, any_server):
    server, pid = any_server
    routes = json_routes(document)
    assert len(routes) >= 15
    for path in routes:
        query = {key: pid if value == "PID" else value for key, value in QUERY.get(path, {}).items()}
        url = server.url + filled(path)
        response = requests.get(url, params=query, headers=HEADERS.get(path), timeout=30)
        check_response(document, "get", path, response)
        # None of these servers is a receiver.
        expected = 404 if path.startswith("/systems") else 200
        # Of the machine that tells nothing there is no process; where no time goes by on the cores, none has a share.
        no_core = path.endswith("{key}") and not requests.get(f"{server.url}/api/4/percpu", timeout=20).json()
        assert response.status_code == expected or (path, pid) == ("/api/process", 1) or no_core
    check_response(document, "post", "/", requests.post(server.url, timeout=20))


def test_glances_plugins_fit(document, any_server):
    """Each by itself and all of them at once, in the words of version 4."""
    server, _ = any_server
    schema = named("GlancesAll")
    check(document, schema, requests.get(f"{server.url}/api/4/all", timeout=30).json())
    for plugin in document["components"]["schemas"]["GlancesAll"]["properties"]:
        answer = requests.get(f"{server.url}/api/4/{plugin}", timeout=30).json()
        check(document, f"{schema}/properties/{plugin}", answer)


def test_the_history_fits(document, server):
    for query in ("", "?range=1m&points=3", "?range=1h&series=cpu.busy,memory.*"):
        response = requests.get(f"{server.url}/api/v1/history{query}", timeout=20)
        check_response(document, "get", "/api/v1/history", response)
        history = response.json()
        for series in history["series"].values():
            assert {len(series[key]) for key in ("mean", "min", "max")} == {len(history["time"])}
    wanted = document["paths"]["/api/v1/history"]["get"]["description"]
    for name in requests.get(f"{server.url}/api/v1/history?points=1", timeout=20).json()["series"]:
        # Each series that there is, is of a kind that the description names.
        first = re.match(r"[a-z]+", name)[0]
        assert f"`{first}." in wanted, name


def first_event(server, path, **options):
    with contextlib.closing(requests.get(server.url + path, stream=True, timeout=30, **options)) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        for line in response.iter_lines(decode_unicode=True):
            if line.startswith("data: "):
                return json.loads(line.removeprefix("data: "))
    raise AssertionError(f"{path} ended without an event")


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/api/v1/stream", "Snapshot"),
        ("/api/v1/stream?interval=5s", "Snapshot"),
        ("/api/v1/stream?processes=top", "Snapshot"),
        ("/api/v1/stream?processes=none", "Snapshot"),
        ("/api/processes", "ProcessMonitorProcesses"),
    ],
)
def test_events_fit(document, any_server, path, schema):
    assert f"#{named(schema)}" in document["paths"][path.split("?")[0]]["get"]["description"]
    check(document, named(schema), first_event(any_server[0], path))


@pytest.mark.parametrize("path", ["/connect", "/ws"])
def test_frames_fit(document, any_server, path):
    with any_server[0].connect(path=path) as socket:
        assert socket.recv(timeout=20) == WELCOME
        for _ in range(2):
            check(document, named("Frame"), json.loads(socket.recv(timeout=20)))


def test_commands_and_answers_fit(document, any_server):
    server, pid = any_server
    names = {command["name"] for command in COMMANDS if command}
    known = document["components"]["schemas"]["PsiodCommand"]["properties"]["data"]["properties"]["name"]["enum"]
    assert names == {*known, "no.such.command"}
    with connect(server.ws("/"), open_timeout=20) as socket:
        for data in COMMANDS:
            data = {key: pid if value == "PID" else value for key, value in data.items()}
            command = {"type": "command", "data": data}
            socket.send(json.dumps(command))
            answer = json.loads(socket.recv(timeout=20))
            if data.get("name") in known:
                check(document, named("PsiodCommand"), command)
            schema = {"response": "PsiodResponse", "error": "PsiodError"}[answer["type"]]
            check(document, named(schema), answer)
            refused = data.get("name") not in known or data["name"] == "process.kill" or data.get("pid") == 0
            assert (schema == "PsiodError") == refused or pid == 1, (data, answer)
            assert ("virtual" in answer) == (data.get("name") == "memory.getall")


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("get", "/api/process", {}, 400),
        ("get", "/api/process", {"params": {"pid": "one"}}, 400),
        ("get", "/api/process", {"params": {"pid": 4294967295}}, 404),
        ("get", "/api/v1/history", {"params": {"range": "soon"}}, 400),
        ("get", "/api/v1/history", {"params": {"series": "no.such"}}, 400),
        ("get", "/api/v1/stream", {"params": {"interval": "soon"}}, 400),
        ("get", "/api/v1/stream", {"params": {"processes": "some"}}, 400),
        ("post", "/api/v1/kill", {"data": b"x"}, 400),
        ("post", "/api/v1/kill", {"json": {"pid": 1}}, 400),
        ("post", "/api/v1/kill", {"json": {"pid": 4_000_000, "signal": "NONE"}}, 400),
        ("post", "/api/v1/kill", {"json": {"pid": 4_000_000, "signal": "TERM"}}, 403),
        ("get", "/api/v1/snapshot", {"headers": {"Origin": "http://evil.example"}}, 403),
        ("get", "/api/v1/snapshot", {"headers": {"Host": "evil.example"}}, 421),
        ("get", "/api/v1/snapshot", {"headers": {"X-Large": "x" * 17_000}}, 431),
        ("get", "/api/{version}/{plugin}/top/{count}", {}, 200),
        ("get", "/connect", {}, 426),
        ("get", "/connect", {"headers": {"Upgrade": "websocket", "Connection": "Upgrade"}}, 400),
        ("post", "/", {"data": b"x" * 65_537}, 413),
        ("get", "/", {}, 200),
        ("get", "/metrics", {}, 200),
        ("get", "/metrics", {"headers": {"Accept": "application/openmetrics-text; version=1.0.0"}}, 200),
        ("get", "/metrics", {"params": {"collect[]": ["cpu", "meminfo"]}}, 200),
        ("get", "/metrics", {"params": {"collect[]": "no.such"}}, 400),
        ("get", "/healthz", {}, 200),
        ("get", "/favicon.ico", {}, 200),
    ],
)
def test_other_answers_fit(document, server, method, path, options, status):
    response = requests.request(method, server.url + filled(path), timeout=20, **options)
    assert response.status_code == status
    check_response(document, method, path, response)


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("/api/{version}/{plugin}", "/api/4/nosuch", 400),
        ("/api/{version}/{plugin}", "/api/5/mem", 404),
        ("/api/{version}/{plugin}/{item}", "/api/4/mem/nosuch", 404),
        ("/api/{version}/{plugin}/top/{count}", "/api/4/mem/top/many", 400),
    ],
)
def test_glances_refusals_fit(document, server, path, asked, status):
    response = requests.get(server.url + asked, timeout=20)
    assert response.status_code == status
    check_response(document, "get", path, response)


def test_the_dashboards_files_fit(document, server):
    names = {path.name for path in (ROOT / "static").iterdir()}
    for name in (*names, "no-such-file"):
        response = requests.get(f"{server.url}/static/{name}", timeout=20)
        assert response.status_code == (200 if name in names else 404)
        check_response(document, "get", "/static/{name}", response)


def test_answers_that_belong_to_no_operation_fit(document, server):
    common = document["components"]["responses"]
    for method, status, name in [("OPTIONS", 204, "NoContent"), ("DELETE", 405, "MethodNotAllowed")]:
        response = requests.request(method, f"{server.url}/system", timeout=20)
        assert response.status_code == status
        assert all(header in response.headers for header in common[name].get("headers", {}))
        if "content" in common[name]:
            check(document, named("Error"), response.json())


def test_security_is_as_described(tmp_path):
    """A stranger gets 401 exactly where an operation wants a token or a ticket."""
    (tmp_path / "tokens").write_text(TOKEN + "\n")
    (tmp_path / "tokens").chmod(0o600)
    holder = {"Authorization": f"Bearer {TOKEN}"}
    with running("--token-file", str(tmp_path / "tokens")) as server:
        document = requests.get(f"{server.url}/api/v1/openapi.json", headers=holder, timeout=20).json()
        for method, path, operation in operations(document):
            security = operation.get("security", document["security"])
            response = requests.request(method, server.url + filled(path), timeout=20)
            assert (response.status_code == 401) == ({"bearer": []} in security), (method, path)
            check_response(document, method, path, response)
            if {"ticket": []} in security:
                ticket = requests.post(server.url, headers=holder, timeout=20).json()["id"]
                first_event(server, path, params={"ticket": ticket})


def test_logins_fit(tmp_path):
    """Every answer that a login can get, but for a server that is too busy."""
    command = [program(), "hash-password"]
    hashed = subprocess.run(command, input="secret\n", capture_output=True, text=True, timeout=30, check=True).stdout
    (tmp_path / "users").write_text(f"ann:{hashed}")
    (tmp_path / "users").chmod(0o600)
    right, wrong = {"username": "ann", "password": "secret"}, {"username": "ann", "password": "wrong"}
    with running("--users-file", str(tmp_path / "users")) as server:

        def log_in(status, **body):
            response = requests.post(f"{server.url}/authenticate", timeout=30, **body)
            assert response.status_code == status
            return response

        session = log_in(200, json=right)
        holder = {"Authorization": f"Bearer {session.json()['token']}"}
        document = requests.get(f"{server.url}/api/v1/openapi.json", headers=holder, timeout=20).json()
        check(document, named("Credentials"), right)
        worker = requests.post(f"{server.url}/worker", headers=holder, timeout=20)
        check_response(document, "post", "/worker", worker)
        with connect(worker.json()["url"]) as socket:
            assert socket.recv(timeout=20) == WELCOME
        answers = [session, log_in(400, data="ann"), *(log_in(401, json=wrong) for _ in range(5)), log_in(429, json=wrong)]
        for answer in answers:
            check_response(document, "post", "/authenticate", answer)


def test_nobody_can_log_in_where_there_are_no_users(document, server):
    response = requests.post(f"{server.url}/authenticate", json={"username": "ann", "password": "x"}, timeout=20)
    assert response.status_code == 404
    check_response(document, "post", "/authenticate", response)


def test_these_checks_can_fail(document, server):
    """A key too many, a key too few, a null where none may be, a text instead of a number."""
    snapshot = requests.get(f"{server.url}/api/v1/snapshot", timeout=20).json()
    check(document, named("Snapshot"), snapshot)

    def broken(change):
        other = copy.deepcopy(snapshot)
        change(other)
        return not validator(document, named("Snapshot")).is_valid(other)

    assert broken(lambda s: s.update(tpyo=1))
    assert broken(lambda s: s["memory"].update(used_byts=1))
    assert broken(lambda s: s["memory"].pop("used_bytes"))
    assert broken(lambda s: s["processes"]["list"][0].update(pid=None))
    assert broken(lambda s: s["processes"]["list"][0].update(pid="1"))
    assert broken(lambda s: s["cpu"]["cores"][0].update(busy_ratio=101.0))
