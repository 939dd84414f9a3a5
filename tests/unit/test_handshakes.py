"""What a client's certificate says, as Python gives it."""

from exporter.serving.handshakes import has_expired, names_in


def test_names_of_every_kind_and_none_of_what_is_invalid() -> None:
    names = (("DNS", "a.example"), ("IP Address", "10.0.0.1"), ("IP Address", "<invalid>"), ("email", "a@example"))
    assert names_in({"subjectAltName": (*names, ("URI", "spiffe://a"), ("DirName", "x"))}) == {
        "a.example",
        "10.0.0.1",
        "a@example",
        "spiffe://a",
    }
    assert names_in(None) == names_in({}) == set()


def test_a_certificate_ends_at_its_instant() -> None:
    certificate = {"notAfter": "Nov 30 12:00:00 2026 GMT"}
    assert has_expired(certificate, 1_796_040_001.0)
    assert not has_expired(certificate, 1_796_039_999.0)
    assert not has_expired(None, 0.0)
    assert not has_expired({}, 0.0)
