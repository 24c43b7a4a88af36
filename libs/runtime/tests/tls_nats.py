"""A NATS server with TLS, whose certificate is of an authority that only the tests know."""

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from runtime import clock

CERTIFICATE, KEY = "certificate.pem", "key.pem"


def write_certificate(folder: Path, host: str) -> Path:
    """Write a certificate for an address, signed by itself, and its key; return its path."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = clock.now()
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / KEY).write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    (folder / CERTIFICATE).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return folder / CERTIFICATE


class TlsNats(EmbeddedNats):
    """A server that requires TLS."""

    def __init__(self, folder: DataFolder, host: str = "127.0.0.1") -> None:
        self.certificate = write_certificate(folder.path, host)
        super().__init__(folder)
        self.tls_url = self.url.replace("nats://", "tls://")

    def users(self) -> str:
        """Return the users, and the certificate."""
        tls = f"tls {{ cert_file: '{self.certificate}', key_file: '{self.certificate.with_name(KEY)}' }}"
        return f"{super().users()}\n{tls}"
