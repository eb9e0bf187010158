"""TLS without a clock: who it is is always checked, when it is by what is known.

OpenSSL would judge a certificate's time by the system's clock, which says 1970 after a
power cut and may say anything. So it is told not to, and the time is judged here, right
after the handshake and before a byte is sent:

- where UTC is known (by GPS, NTP or receipt), a certificate must be valid then, within
  three standard uncertainties;
- where it is not, it must not have ended before the floor, an instant that UTC cannot
  be before. That it may not have begun yet is let pass, or a gateway could never learn
  what time it is.

The same holds for the authority's certificate. Signature and name are checked by
OpenSSL as ever, and nothing turns that off.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.errors import ConfigError
from schemas.units import NS_PER_S

# X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h; Python has no name for it.
_NO_CHECK_TIME: Final = 0x200000

Certificate = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Certificates: whom to trust, and optionally who we are."""

    authority: Path
    certificate: Path | None = None
    key: Path | None = None


class TimeBounds(NamedTuple):
    """UTC is not before ``earliest_ns``, nor after ``latest_ns`` if that is known."""

    earliest_ns: int
    latest_ns: int | None


ReadTime = Callable[[], TimeBounds]


class _TimedSocket(ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        context = self.context
        if isinstance(context, _TimedContext):
            context.judge(self.getpeercert() or {})


class _TimedContext(ssl.SSLContext):
    sslsocket_class = _TimedSocket
    read_time: ReadTime

    def judge(self, certificate: Certificate) -> None:
        """Judge the time of the server's certificate and of its authority's.

        Raises:
            ssl.SSLCertVerificationError: one of them is not valid now.
        """
        issuers = [
            one
            for one in self.get_ca_certs()
            if one.get("subject") == certificate.get("issuer")
        ]
        for one in (certificate, *issuers):
            reason = why_not_valid(one, self.read_time())
            if reason is not None:
                raise ssl.SSLCertVerificationError(1, reason)


def why_not_valid(certificate: Certificate, time: TimeBounds) -> str | None:
    """Return why a certificate is not valid now, None if it may be."""
    begins_ns, ends_ns = (
        round(ssl.cert_time_to_seconds(certificate[name])) * NS_PER_S
        for name in ("notBefore", "notAfter")
    )
    if ends_ns < time.earliest_ns:
        return f"certificate has expired on {certificate['notAfter']}"
    if time.latest_ns is not None and begins_ns > time.latest_ns:
        return f"certificate is not valid before {certificate['notBefore']}"
    return None


def tls_context(files: TlsFiles, read_time: ReadTime) -> ssl.SSLContext:
    """Return what a TLS connection needs.

    Raises:
        ConfigError: the files cannot be used.
    """
    context = _TimedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= _NO_CHECK_TIME
    context.read_time = read_time
    try:
        context.load_verify_locations(files.authority)
        if files.certificate:
            context.load_cert_chain(files.certificate, files.key)
    except OSError as error:
        raise ConfigError(
            f"TLS files {files.authority}, {files.certificate}, {files.key}: {error}; "
            "give PEM files that this user may read"
        ) from error
    return context
