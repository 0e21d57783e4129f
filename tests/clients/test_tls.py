"""TLS: what is spoken, what is refused at start, and a certificate that changes while clients stream."""

import contextlib
import json
import re
import resource
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import psutil
import pytest
import requests
from conftest import ROOT, WELCOME, program, running
from frames import check_frame
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)


def make_certificate(folder, name, *key):
    """A self-signed certificate for localhost and 127.0.0.1: its file and its key's."""
    cert, secret = folder / f"{name}.cert", folder / f"{name}.key"
    openssl(
        "req", "-x509", "-newkey", *(key or ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")), "-nodes",
        "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout", secret, "-out", cert,
    )
    secret.chmod(0o600)
    return cert, secret


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "first")


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "second", "rsa:2048")


@pytest.fixture
def files(tmp_path, first):
    """Copies of the first certificate and key, to be replaced."""
    return put(first, tmp_path / "cert.pem", tmp_path / "key.pem")


def put(source, cert, key):
    cert.write_bytes(source[0].read_bytes())
    key.write_bytes(source[1].read_bytes())
    key.chmod(0o600)
    return cert, key


def arguments(files):
    return "--tls-cert", str(files[0]), "--tls-key", str(files[1])


def trusting(cert, version=None):
    """A context that trusts this certificate, and speaks this version only."""
    context = ssl.create_default_context(cafile=str(cert))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


@contextlib.contextmanager
def handshake(server, context, name="localhost"):
    with socket.create_connection((server.host, server.port), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname=name) as tls:
            yield tls


def shown(server):
    """The certificate that a new connection sees."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with handshake(server, context) as tls:
        return tls.getpeercert(binary_form=True)


def der(cert):
    return ssl.PEM_cert_to_DER_cert(Path(cert).read_text())


def stream(server, cert, **options):
    worker = requests.post(server.url, verify=str(cert), timeout=20).json()["id"]
    return connect(server.ws(f"/connect?id={worker}"), ssl=trusting(cert), open_timeout=20, **options)


@pytest.fixture(scope="module")
def secure(first):
    with running(*arguments(first)) as server:
        yield server


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions(secure, first, version):
    context = trusting(first[0], version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with handshake(secure, context) as tls:
        assert tls.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
        assert tls.selected_alpn_protocol() == "http/1.1"
        tls.sendall(b"GET /system HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert tls.recv(12) == b"HTTP/1.1 200"


def test_old_versions_are_refused(secure, first):
    # OpenSSL itself offers nothing below 1.2 unless it is told to.
    context = trusting(first[0])
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError), handshake(secure, context):
        pass


def test_rsa(tmp_path, second):
    with running(*arguments(second)) as server:
        assert server.url.startswith("https://")
        assert requests.get(f"{server.url}/system", verify=str(second[0]), timeout=20).status_code == 200


def test_every_address_speaks_tls_and_nothing_else(first):
    with running("--listen", "127.0.0.1:0", *arguments(first)) as server:
        assert server.url.startswith("https://")
        with socket.create_connection((server.host, server.port), timeout=30) as plain:
            plain.sendall(b"GET /system HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := plain.recv(1000):
                    answer += piece
        # A word that this is TLS, and nothing about the machine.
        assert answer.startswith(b"HTTP/1.1 400 ") and b"processes" not in answer


def test_stream(secure, first):
    with stream(secure, first[0]) as socket_:
        assert socket_.recv(timeout=20) == WELCOME
        check_frame(socket_.recv(timeout=20))
        socket_.send("hello")
        assert "message received hello" in (socket_.recv(timeout=20) for _ in range(30))


def test_worker_url_is_wss(secure, first):
    answer = requests.post(f"{secure.url}/worker", verify=str(first[0]), timeout=20).json()
    assert answer["url"] == f"wss://{secure.address}/connect?id={answer['id']}"
    with connect(answer["url"], ssl=trusting(first[0]), open_timeout=20) as socket_:
        assert socket_.recv(timeout=20) == WELCOME


def test_the_dashboards_own_origin_is_https(first):
    """The same name under http is another site. A name of its own, as loopback pages are welcome anyway."""
    host = "monitor.example"
    with running("--allow-host", host, *arguments(first)) as server:

        def status(origin):
            headers = {"Host": f"{host}:{server.port}", "Origin": origin}
            return requests.get(f"{server.url}/system", headers=headers, verify=str(first[0]), timeout=20).status_code

        assert status(f"https://{host}:{server.port}") == 200
        assert status(f"http://{host}:{server.port}") == 403
        with pytest.raises(InvalidStatus) as refused, stream(server, first[0], origin="https://evil.example"):
            pass
        assert refused.value.response.status_code == 403


@pytest.mark.parametrize("request_line", ["GET / HTTP/1.1", "POST /authenticate HTTP/1.1", "get / http/1.0"])
def test_a_client_without_tls_is_told(secure, request_line):
    with socket.create_connection((secure.host, secure.port), timeout=20) as plain:
        plain.sendall(f"{request_line}\r\nHost: localhost\r\n\r\n".encode())
        answer = b"".join(iter(lambda: plain.recv(4096), b"")).decode()
    assert answer.startswith("HTTP/1.1 400 ") and "https://" in answer.partition("\r\n\r\n")[2], answer


def test_a_stalled_handshake_is_closed_and_disturbs_nobody(secure, first):
    with contextlib.ExitStack() as stack:
        stalled = [
            stack.enter_context(socket.create_connection((secure.host, secure.port), timeout=30)) for _ in range(600)
        ]
        stalled[0].sendall(b"\x16\x03\x01")
        assert requests.get(f"{secure.url}/system", verify=str(first[0]), timeout=20).status_code == 200
        # They stall still: nobody was closed to make room for the answer.
        stalled[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            stalled[-1].recv(1)
        start = time.monotonic()
        for one in stalled:
            one.settimeout(60)
            with contextlib.suppress(ConnectionResetError):
                assert one.recv(1) == b""
        assert time.monotonic() - start < 30


def test_a_client_that_takes_nothing_is_cut(secure, first):
    """TLS hides the socket from nobody: a reader that stops is cut off as it is without TLS."""
    worker = requests.post(secure.url, verify=str(first[0]), timeout=20).json()["id"]
    with handshake(secure, trusting(first[0])) as tls:
        tls.sendall(
            f"GET /connect?id={worker} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert tls.recv(12) == b"HTTP/1.1 101"
        assert is_connected(secure, tls)
        start = time.monotonic()
        # From here on nothing is read, and little fits into the kernel.
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        while is_connected(secure, tls):
            assert time.monotonic() - start < 40
            time.sleep(0.2)


def test_a_client_that_takes_all_and_answers_no_ping_is_kept(secure, first):
    """Small libraries never answer pings. What they take counts, with TLS as without."""
    worker = requests.post(secure.url, verify=str(first[0]), timeout=20).json()["id"]
    with handshake(secure, trusting(first[0])) as tls:
        tls.sendall(
            f"GET /connect?id={worker} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        reader = tls.makefile("rb")
        while reader.readline() != b"\r\n":
            pass
        start, kinds = time.monotonic(), []
        while time.monotonic() - start < 18:
            head = reader.read(2)
            assert head, f"cut after {time.monotonic() - start:.1f} s"
            length = head[1] & 127
            length = int.from_bytes(reader.read({126: 2, 127: 8}[length]), "big") if length > 125 else length
            reader.read(length)
            kinds.append(head[0] & 15)
        assert kinds.count(1) >= 9 and kinds.count(9) >= 2, kinds


def is_connected(server, client):
    """Whether the server still holds the other end of this socket."""
    ours = client.getsockname()
    return any(
        connection.raddr == ours and connection.status == "ESTABLISHED"
        for connection in psutil.Process(server.pid).net_connections("tcp4")
    )


def test_idle_connections_are_closed(secure, first):
    with handshake(secure, trusting(first[0])) as tls:
        tls.settimeout(60)
        tls.sendall(b"GET /system HTTP/1.1\r\nHost: localhost\r\n\r\n")
        start = time.monotonic()
        while tls.recv(65536):
            pass
        assert time.monotonic() - start < 30


def test_stopping_closes_streams(first):
    with running(*arguments(first)) as server, stream(server, first[0]) as socket_:
        assert socket_.recv(timeout=20) == WELCOME
        stopped = threading.Thread(target=server.stop)
        stopped.start()
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                socket_.recv(timeout=20)
        assert closed.value.rcvd.code == 1001
        stopped.join(30)
        assert server.process.returncode == 0


def test_a_new_certificate_disturbs_no_client(files, first, second):
    """And a broken one changes nothing; both are told."""
    with running(*arguments(files)) as server, stream(server, first[0]) as socket_:
        assert socket_.recv(timeout=20) == WELCOME
        check_frame(socket_.recv(timeout=20))
        assert shown(server) == der(first[0])

        put(second, *files)
        assert shown(server) == der(first[0])
        server.reload("--tls-cert", "read again")
        assert shown(server) == der(second[0])
        assert requests.get(f"{server.url}/system", verify=str(second[0]), timeout=20).status_code == 200
        check_frame(socket_.recv(timeout=20))

        files[1].write_bytes(first[1].read_bytes())
        server.reload("the old certificate stays")
        files[0].write_text("nonsense")
        server.reload("the old certificate stays")
        files[0].unlink()
        server.reload("the old certificate stays")
        assert shown(server) == der(second[0])
        for _ in range(3):
            check_frame(socket_.recv(timeout=20))


def test_a_kept_session_does_not_keep_the_old_certificate(files, first, second):
    with running(*arguments(files)) as server:
        context = trusting(first[0], ssl.TLSVersion.TLSv1_2)
        with handshake(server, context) as tls:
            session = tls.session
        put(second, *files)
        server.reload("read again")
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection((server.host, server.port), timeout=20) as plain:
            with context.wrap_socket(plain, server_hostname="localhost", session=session) as tls:
                assert tls.getpeercert(binary_form=True) == der(second[0])


def refused(*arguments):
    """The one line that the program ends with."""
    result = subprocess.run(
        [program(), "--listen", "127.0.0.1:0", *map(str, arguments)],
        capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
    )
    assert (result.returncode, result.stdout) == (2, "")
    lines = [line for line in result.stderr.splitlines() if line.startswith("psmonitor: ")]
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_wrong_files_are_refused(tmp_path, first, second):
    cert, key = first
    mismatch = refused("--tls-cert", cert, "--tls-key", second[1])
    assert str(second[1]) in mismatch and str(cert) in mismatch and "not the key" in mismatch
    assert "no certificate" in refused("--tls-cert", key, "--tls-key", key)
    assert "no private key" in refused("--tls-cert", cert, "--tls-key", cert)
    assert "No such file" in refused("--tls-cert", tmp_path / "missing", "--tls-key", key)
    assert "--tls-key" in refused("--tls-cert", cert)
    assert "--tls-cert" in refused("--tls-key", key)
    encrypted, short, old = tmp_path / "encrypted", tmp_path / "short", tmp_path / "old"
    openssl("pkey", "-in", key, "-aes256", "-passout", "pass:word", "-out", encrypted)
    assert "encrypted" in refused("--tls-cert", cert, "--tls-key", encrypted)
    short.write_text(cert.read_text()[:300])
    assert "in the middle" in refused("--tls-cert", short, "--tls-key", key)
    request = tmp_path / "request"
    openssl("req", "-new", "-key", key, "-subj", "/CN=localhost", "-out", request)
    openssl("x509", "-req", "-in", request, "-signkey", key, "-out", old, "-days", "2")
    if "Version: 1" in subprocess.run(
        ["openssl", "x509", "-in", old, "-noout", "-text"], capture_output=True, text=True, check=True
    ).stdout:
        assert "version 3" in refused("--tls-cert", old, "--tls-key", key)


def test_a_key_that_others_can_read(files):
    files[1].chmod(0o644)
    with running(*arguments(files)) as server:
        server.wait_for_log("key.pem can be read by others")
        assert any("WARN" in line and "key.pem" in line for line in server.errors)


def test_the_commands_of_the_readme(tmp_path):
    """The ones that make a user and a certificate, as they are printed; then the server that they are for."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    make = [block for block in blocks if "openssl req" in block or "hash-password" in block]
    make.append(next(line for block in blocks for line in block.splitlines() if line.endswith("> tokens)")))
    start, ask = (next(block for block in blocks if part in block) for part in ("--tls-cert", "--cacert"))
    assert len(make) == 3
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "psmonitor").symlink_to(program())
    environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    for block in make:
        subprocess.run(
            ["sh", "-euc", block], cwd=tmp_path, env=environment, input="word\n", text=True,
            check=True, capture_output=True, timeout=30,
        )
    assert all((tmp_path / name).stat().st_mode & 0o077 == 0 for name in ("users", "key.pem", "tokens"))
    words = [str(tmp_path / word) if (tmp_path / word).exists() else word for word in start.split()[1:]]
    words[:2] = "--listen", "0.0.0.0:0"
    with running(*words) as server:
        cert = str(tmp_path / "cert.pem")
        command = ask.replace("4500", str(server.port)).replace('"..."', '"word"')
        login = subprocess.run(
            ["sh", "-euc", command], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=30
        )
        assert json.loads(login.stdout)["token"], login.stdout
        with handshake(server, trusting(cert), "monitor.example") as tls:
            tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: monitor.example\r\n\r\n")
            assert tls.recv(12) == b"HTTP/1.1 200"
        server.stop()
        assert not any("WARN" in line for line in server.errors), server.errors


def test_handshakes_that_do_not_go_on_keep_nobody_out(files):
    """5,000 clients of one address send the first byte of a handshake and no more; who comes then does not wait for them."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with running(*arguments(files)) as server, contextlib.ExitStack() as crowd:
        slowest = []

        def ask():
            begin = time.monotonic()
            assert requests.get(f"{server.url}/healthz", verify=str(files[0]), timeout=20).status_code == 200
            slowest.append(time.monotonic() - begin)

        ask()
        for at in range(5_000):
            one = crowd.enter_context(socket.socket())
            one.settimeout(20)
            one.bind(("127.0.0.2", 0))
            with contextlib.suppress(OSError):
                one.connect((server.host, server.port))
                one.sendall(b"\x16")
            if at > 4_500 and at % 100 == 0:
                ask()
        ask()
        # A handshake has 5 s. With every place taken somebody waits until the first of the crowd have used theirs up.
        assert max(slowest) < 3, slowest
