"""A GitHub App's key and an authority's certificate, as PEM."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

APP_KEY = rsa.generate_private_key(65537, 2048)
PKCS1 = APP_KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
"""The App's private key, as GitHub gives it."""
PUBLIC = APP_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
AUTHORITY_KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(name: str) -> x509.Certificate:
    """A certificate of that common name, signed by its own key."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(AUTHORITY_KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(AUTHORITY_KEY, hashes.SHA256())
    )


FIRST = certificate("first").public_bytes(Encoding.PEM)
