"""What the chart renders is run as it is: the same arguments, settings, variables, files and probes."""

import grpc
import pytest
from cluster import Cluster, cookie, digest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from helpers import run, values_of

SECRET = "keyboard cat"
SESSION = "Zk3q9vWmT1n8yLxR4sPb7uCdEfGhJkMa"


def authorize(stubs, channel, cookie, token=None):
    return begin_to_authorize(stubs, channel, cookie, token).result()


def begin_to_authorize(stubs, channel, cookie, token=None):
    messages, services, *_ = stubs
    request = messages.AuthorizeRequest(handshake=messages.Handshake(headers={"cookie": cookie}), gateway_id="test")
    metadata = [("authorization", f"Bearer {token}")] if token else []
    return services.AuthorizationServiceStub(channel).Authorize.future(request, metadata=metadata, timeout=10)


def connect(cluster):
    return grpc.insecure_channel(f"127.0.0.1:{cluster.grpc_port}")


def test_the_demo_needs_nothing(stubs):
    with Cluster("--set", "demo=true") as cluster:
        service = cluster.start_service()
        assert service.probe("readinessProbe") and service.probe("livenessProbe")
        with connect(cluster) as channel:
            assert authorize(stubs, channel, cookie(SESSION, SECRET)).accepted
        printed = cluster.run_helm_test()
        assert "SERVING" in printed["health"] and "AUTHORIZED" in printed["authorize"]
        service.end()


def test_it_serves_sessions_in_redis_and_takes_another_secret_while_it_runs(stubs, redis):
    redis.log_in(SESSION, '{"id": 7, "name": "Ana"}')
    secrets = "sessionSecrets.values={new one,keyboard cat}"
    stores = f"sessionStore.url={redis.url},registryStore.url={redis.url}"
    args = ("--values", values_of("anonymous"), "--set", secrets, "--set", stores)
    with Cluster(*args) as cluster:
        service = cluster.start_service()
        assert service.probe("readinessProbe") and service.probe("livenessProbe")
        with connect(cluster) as channel:
            for secret in ("new one", SECRET):
                answer = authorize(stubs, channel, cookie(SESSION, secret, "express.sid"))
                assert answer.accepted and answer.user["name"] == "Ana"
            assert "BAD_SIGNATURE" in cluster.run_helm_test()["authorize"]

            cluster.objects["secret", "front-socketpass-stores"]["session-secrets"] = "newest\nnew one"
            service.volume.write(cluster.objects)
            service.wait_for_line("settings were read again")
            assert authorize(stubs, channel, cookie(SESSION, "newest", "express.sid")).accepted
            assert not authorize(stubs, channel, cookie(SESSION, SECRET, "express.sid")).accepted
        # The registry's keys have the prefix of namespace and release.
        assert all(key.startswith((b"sess:", b"{socketpass:passports:front:")) for key in redis.client.keys())
        assert redis.client.keys("{socketpass:passports:front:*")
        service.end()


def test_it_drains(stubs, redis):
    """Told to end, it takes no new calls and finishes those that run; readiness says so at once."""
    redis.log_in(SESSION, '{"id": 7}')
    stores = f"sessionStore.url={redis.url}"
    patience = "config.session.store_timeout=15s,config.limits.call_timeout=20s"
    with Cluster("--values", values_of("anonymous"), "--set", stores, "--set", patience) as cluster:
        service = cluster.start_service()
        health = service.health()
        assert next(health) == "SERVING"
        with connect(cluster) as channel:
            authorize(stubs, channel, cookie(SESSION, SECRET, "express.sid"))
            with redis.frozen():
                running = begin_to_authorize(stubs, channel, cookie(SESSION, SECRET, "express.sid"))
                # On the same connection, so it is answered after the call above has arrived.
                alive = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="liveness"))
                assert alive.status == health_pb2.HealthCheckResponse.SERVING
                service.process.terminate()
                assert next(health) == "NOT_SERVING"
                assert not service.probe("readinessProbe") and not running.done()
            assert running.result().accepted
        assert service.process.wait(service.spec["terminationGracePeriodSeconds"]) == 0


def test_it_is_ready_while_its_store_is_away_and_the_test_of_helm_says_so(stubs, redis):
    """A replica whose store is away gives honest answers: an outage of Redis empties no Service."""
    args = ("--values", values_of("anonymous"), "--set", "sessionStore.url=redis://127.0.0.1:1/0")
    with Cluster(*args) as cluster:
        service = cluster.start_service()
        assert service.probe("readinessProbe") and service.probe("livenessProbe")
        with connect(cluster) as channel:
            answer = authorize(stubs, channel, cookie(SESSION, SECRET, "express.sid"))
        assert not answer.accepted and answer.error
        with pytest.raises(AssertionError, match="health: .*NOT_SERVING"):
            cluster.run_helm_test()
        service.end()


def refused(stubs, channel, code, token=None):
    with pytest.raises(grpc.RpcError) as error:
        authorize(stubs, channel, cookie(SESSION, SECRET), token)
    assert error.value.code() == code


def test_callers_need_a_token_as_installed(stubs, redis):
    redis.log_in(SESSION, '{"id": 7}')
    with Cluster("--values", values_of("minimal"), "--set", f"sessionStore.url={redis.url}") as cluster:
        service = cluster.start_service()
        tokens = cluster.objects["secret", "front-socketpass-token"]
        with connect(cluster) as channel:
            refused(stubs, channel, grpc.StatusCode.UNAUTHENTICATED)
            refused(stubs, channel, grpc.StatusCode.UNAUTHENTICATED, "wrong")
            for role in ("gateway", "admin"):
                assert authorize(stubs, channel, cookie(SESSION, SECRET), tokens[role]).accepted
            assert "BAD_SIGNATURE" in cluster.run_helm_test()["authorize"]

            # Another token, while it runs.
            tokens["tokens"] = f'{{"name":"chat","role":"gateway","hash":"{digest("another")}"}}\n'
            service.volume.write(cluster.objects)
            service.wait_for_line("settings were read again")
            assert authorize(stubs, channel, cookie(SESSION, SECRET), "another").accepted
            refused(stubs, channel, grpc.StatusCode.UNAUTHENTICATED, tokens["gateway"])
        service.end()


class Authority:
    """Issues certificates, as PEM."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self._openssl("-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=authority")
        self.certificate = (folder / "ca.crt").read_text()

    def issue(self, name):
        """A certificate of that name, such as `DNS:a.example`, and its key."""
        self._openssl(
            "-keyout", "tls.key", "-out", "tls.crt", "-subj", "/CN=somebody", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-addext", f"subjectAltName={name}", "-addext", "basicConstraints=critical,CA:FALSE",
        )  # fmt: skip
        return tuple((self.folder / file).read_text() for file in ("tls.crt", "tls.key"))

    def _openssl(self, *args):
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1")
        done = run("openssl", "req", "-x509", *new, *args, cwd=self.folder)
        assert done.returncode == 0, done.stderr


HOST = "front-socketpass.passports.svc"


def connect_with_tls(cluster, authority, certificate=None, key=None):
    """Trusts the authority, and shows the certificate, if it has one."""
    own = [text and text.encode() for text in (key, certificate)]
    credentials = grpc.ssl_channel_credentials(authority.certificate.encode(), *own)
    name = (("grpc.ssl_target_name_override", HOST),)
    return grpc.secure_channel(f"127.0.0.1:{cluster.grpc_port}", credentials, name)


def test_it_speaks_tls_with_secrets_of_ones_own(stubs, redis, tmp_path):
    redis.log_in(SESSION, '{"id": 7}')
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.issue(f"DNS:{HOST}")
    objects = {
        ("secret", "web-app"): {"SESSION_SECRET": SECRET},
        ("secret", "redis"): {"url": redis.url},
        ("secret", "socketpass-callers"): {
            "tokens": f'{{"name":"chat","role":"gateway","hash":"{digest("a token")}"}}\n'
        },
        ("secret", "chat-gateway"): {"token": "a token"},
        ("secret", "socketpass-certificate"): {"tls.crt": certificate, "tls.key": key, "ca.crt": authority.certificate},
    }
    with Cluster("--values", values_of("existing-secrets"), objects=objects) as cluster:
        service = cluster.start_service()
        assert service.probe("readinessProbe") and service.probe("livenessProbe")
        with connect_with_tls(cluster, authority) as channel:
            assert authorize(stubs, channel, cookie(SESSION, SECRET), "a token").accepted
        assert "BAD_SIGNATURE" in cluster.run_helm_test()["authorize"]
        service.end()


def test_callers_show_certificates_where_they_are_required(stubs, redis, tmp_path):
    redis.log_in(SESSION, '{"id": 7}')
    authority, gateways, others = (Authority(tmp_path / name) for name in ("authority", "gateways", "others"))
    certificate, key = authority.issue(f"DNS:{HOST}")
    objects = {
        ("secret", "socketpass-certificate"): {"tls.crt": certificate, "tls.key": key},
        ("secret", "gateways-ca"): {"ca.crt": gateways.certificate},
    }
    with Cluster("--values", values_of("mtls"), "--set", f"sessionStore.url={redis.url}", objects=objects) as cluster:
        service = cluster.start_service()
        assert service.probe("readinessProbe") and service.probe("livenessProbe")
        messages, services, *_ = stubs

        def explain(channel):
            request = messages.ExplainRequest(handshake=messages.Handshake(headers={"cookie": cookie(SESSION, SECRET)}))
            return services.AuthorizationServiceStub(channel).Explain(request, timeout=10)

        gateway = "URI:spiffe://cluster.local/ns/chat/gateway-7"
        with connect_with_tls(cluster, authority, *gateways.issue(gateway)) as channel:
            assert authorize(stubs, channel, cookie(SESSION, SECRET)).accepted
            with pytest.raises(grpc.RpcError) as error:
                explain(channel)
            assert error.value.code() == grpc.StatusCode.PERMISSION_DENIED
        with connect_with_tls(cluster, authority, *gateways.issue("DNS:operator.example")) as channel:
            assert explain(channel).decision.accepted
        # Of the authority, but nobody's.
        with connect_with_tls(cluster, authority, *gateways.issue("DNS:chat.example")) as channel:
            refused(stubs, channel, grpc.StatusCode.UNAUTHENTICATED)
        # With these there is no connection.
        for shown in ((), others.issue(gateway)):
            with connect_with_tls(cluster, authority, *shown) as channel:
                refused(stubs, channel, grpc.StatusCode.UNAVAILABLE)
        assert list(cluster.run_helm_test()) == ["health"]
        service.end()
