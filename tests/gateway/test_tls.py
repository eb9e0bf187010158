"""TLS where the clock is wrong: time by what is known, everything else as ever."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.adapters.tls import TimeBounds, TlsFiles, tls_context
from gateway.errors import ConfigError
from schemas.units import instant_ns

FLOOR_NS = instant_ns("2026-11-01T00:00:00Z")
UNKNOWN = TimeBounds(FLOOR_NS, None)
PATIENCE_S = 30.0


def at(year: int) -> dt.datetime:
    return dt.datetime(year, 1, 1, tzinfo=dt.UTC)


def known(text: str) -> TimeBounds:
    return TimeBounds(instant_ns(text) - 10**9, instant_ns(text) + 10**9)


class Authority:
    """Makes certificates into a folder."""

    def __init__(self, folder: Path, name: str, begins: int, ends: int) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.path = folder / f"{name}.pem"
        made = self._make(self.name, self.key.public_key(), begins, ends)
        self.path.write_bytes(made)

    def _make(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, begins: int, ends: int
    ) -> bytes:
        is_own = subject == self.name
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(at(begins))
            .not_valid_after(at(ends))
            .add_extension(x509.BasicConstraints(is_own, None), critical=True)
        )
        if not is_own:
            names = x509.SubjectAlternativeName([x509.DNSName("broker.test")])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(
            serialization.Encoding.PEM
        )

    def server(self, begins: int, ends: int) -> tuple[Path, Path]:
        """Return the files of a server's certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker.test")])
        certificate, secret = self.folder / "server.pem", self.folder / "server.key"
        certificate.write_bytes(self._make(subject, key.public_key(), begins, ends))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, secret


@contextmanager
def serving(certificate: Path, secret: Path) -> Iterator[int]:
    """Serve TLS on a free port; yield it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            line, _ = listener.accept()
            line.settimeout(PATIENCE_S)
            with line:
                try:
                    with context.wrap_socket(line, server_side=True) as secure:
                        secure.recv(1)
                except OSError:
                    pass  # the client went away: that is its verdict

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield int(listener.getsockname()[1])
        serving.join(PATIENCE_S)


def shake(port: int, authority: Path, time: TimeBounds, name: str) -> None:
    """Shake hands as paho does."""
    context = tls_context(TlsFiles(authority), lambda: time)
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as line:
        secure = context.wrap_socket(
            line, server_hostname=name, do_handshake_on_connect=False
        )
        with secure:
            secure.do_handshake()


def verdict(
    folder: Path,
    time: TimeBounds,
    *,
    authority: tuple[int, int] = (2020, 2040),
    server: tuple[int, int] = (2030, 2031),
    name: str = "broker.test",
    is_stranger: bool = False,
) -> str:
    maker = Authority(folder, "authority", *authority)
    trusted = Authority(folder, "other", 2020, 2040) if is_stranger else maker
    with serving(*maker.server(*server)) as port:
        try:
            shake(port, trusted.path, time, name)
        except ssl.SSLCertVerificationError as error:
            return str(error)
    return "good"


def test_without_a_time_a_certificate_may_not_have_begun(tmp_path: Path) -> None:
    assert verdict(tmp_path, UNKNOWN) == "good"


def test_what_ended_before_the_floor_is_refused(tmp_path: Path) -> None:
    assert "expired" in verdict(tmp_path, UNKNOWN, server=(2020, 2021))


def test_a_known_time_is_what_counts_and_not_the_systems(tmp_path: Path) -> None:
    assert verdict(tmp_path, known("2030-06-01T00:00:00Z")) == "good"


@pytest.mark.parametrize(
    ("now", "word"),
    [("2029-06-01T00:00:00Z", "not valid before"), ("2032-01-01T00:00:00Z", "expired")],
)
def test_where_the_time_is_known_both_ends_hold(
    tmp_path: Path, now: str, word: str
) -> None:
    assert word in verdict(tmp_path, known(now))


def test_the_authority_too_must_be_valid(tmp_path: Path) -> None:
    found = verdict(tmp_path, UNKNOWN, authority=(2020, 2022))
    assert "expired" in found


@pytest.mark.parametrize("time", [UNKNOWN, known("2030-06-01T00:00:00Z")])
def test_name_and_signature_are_checked_at_any_time(
    tmp_path: Path, time: TimeBounds
) -> None:
    assert "mismatch" in verdict(tmp_path, time, name="other.test")
    assert "verify failed" in verdict(tmp_path, time, is_stranger=True)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="PEM"):
        tls_context(TlsFiles(tmp_path / "none.pem"), lambda: UNKNOWN)
