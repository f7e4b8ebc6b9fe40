"""A copy's secrets are made once, by a pod that may create them and nothing else."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from yunsong_standalone.cluster_secrets import SecretsFailed, fill, make_secrets, random_text

PLAN = json.dumps(
    [
        {"name": "shop-keys", "labels": {"app": "yunsong"}, "values": {"release-key": "{random}"}},
        {
            "name": "shop-postgresql",
            "values": {
                "gateway-url": "postgresql://gateway:{gateway-password}@db/yunsong",
                "gateway-password": "{random}",
            },
        },
    ]
)


class Api:
    """A Kubernetes API that knows secrets alone, behind a certificate of its own authority."""

    def __init__(self, account: Path) -> None:
        self.secrets: dict[str, dict[str, Any]] = {}
        self.tokens: set[str] = set()
        self.refuses = False
        _account(account)
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                api.tokens.add(self.headers["Authorization"])
                status, answer = api.create(self.path, body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                name = self.path.removeprefix("/api/v1/namespaces/shop/secrets/")
                content = json.dumps(api.secrets[name]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(account / "ca.crt", account / "key.pem")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)

    def create(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        namespace = path.removeprefix("/api/v1/namespaces/").removesuffix("/secrets")
        assert namespace in ("shop", "bakery")
        if self.refuses:
            return 403, {"message": "secrets is forbidden"}
        prefix = "" if namespace == "shop" else f"{namespace}/"
        name = prefix + body["metadata"]["name"]
        values = body.pop("stringData", {})
        body.setdefault(
            "data", {key: base64.b64encode(text.encode()).decode() for key, text in values.items()}
        )
        if name in self.secrets:
            return 409, {"message": f"{name} already exists"}
        self.secrets[name] = body
        return 201, body

    def values(self, name: str) -> dict[str, str]:
        return {key: base64.b64decode(text).decode() for key, text in self.secrets[name]["data"].items()}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    api = Api(tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api.server.server_port))
    thread = threading.Thread(target=api.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield api
    api.server.shutdown()
    api.server.server_close()
    thread.join()


def _account(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cluster")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (folder / "namespace").write_text("shop")
    (folder / "token").write_text("token-of-the-pod")


def test_what_is_not_there_is_made_and_what_is_stays(api: Api, tmp_path: Path) -> None:
    assert make_secrets(PLAN, tmp_path) == ["shop-keys: made", "shop-postgresql: made"]
    first = json.dumps(api.secrets)
    assert make_secrets(PLAN, tmp_path) == [
        "shop-keys: is there already, stays as it is",
        "shop-postgresql: is there already, stays as it is",
    ]
    assert json.dumps(api.secrets) == first
    assert api.tokens == {"Bearer token-of-the-pod"}
    assert api.secrets["shop-keys"]["metadata"]["labels"] == {"app": "yunsong"}
    values = api.values("shop-postgresql")
    assert values["gateway-url"] == f"postgresql://gateway:{values['gateway-password']}@db/yunsong"


def test_another_namespace_gets_what_is_there(api: Api, tmp_path: Path) -> None:
    """Also when the first run was cut off between the two."""
    plan = [{"name": "bakery-database", "values": {"password": "{random}"}}]
    make_secrets(json.dumps(plan), tmp_path)
    shared = json.dumps([{**plan[0], "copy_to": "bakery"}])
    assert make_secrets(shared, tmp_path) == [
        "bakery-database: is there already, stays as it is",
        "bakery/bakery-database: made",
    ]
    assert api.values("bakery/bakery-database") == api.values("bakery-database")
    assert make_secrets(shared, tmp_path)[1] == "bakery/bakery-database: is there already, stays as it is"


def test_a_refusal_says_what_the_api_said(api: Api, tmp_path: Path) -> None:
    api.refuses = True
    with pytest.raises(SecretsFailed, match="shop-keys was not made: 403 secrets is forbidden"):
        make_secrets(PLAN, tmp_path)


def test_an_api_of_another_authority_is_not_trusted(api: Api, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    _account(other)
    with pytest.raises(SecretsFailed, match="CERTIFICATE_VERIFY_FAILED"):
        make_secrets(PLAN, other)


def test_random_values_are_long_differ_and_begin_with_a_letter() -> None:
    made = {random_text() for _ in range(200)}
    assert len(made) == 200
    assert all(len(each) == 48 and each.isalnum() and each[0].isalpha() for each in made)


def test_a_reference_to_nothing_or_to_itself_is_refused() -> None:
    with pytest.raises(KeyError, match="password"):
        fill({"url": "nats://{password}@host"})
    with pytest.raises(ValueError, match="goes round"):
        fill({"a": "{b}", "b": "{a}"})


@pytest.mark.parametrize("plan", ["", "{}x", '[{"values": {}}]', '["keys"]', '[{"name": "a", "values": 3}]'])
def test_a_plan_that_cannot_be_read_is_refused(plan: str, tmp_path: Path) -> None:
    with pytest.raises(SecretsFailed, match="YUNSONG_SECRETS"):
        make_secrets(plan, tmp_path)


def test_outside_a_cluster_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(SecretsFailed, match="no service account"):
        make_secrets(PLAN, tmp_path)
