"""Which certificate authorities are trusted when the operator says nothing."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from dvm.components import tls


class Paths:
    """What the TLS library says of its certificate directory."""

    def __init__(self, capath: str | None) -> None:
        self.capath = capath


@pytest.mark.parametrize(("files", "packaged"), [([], True), (["README"], True), (["1a2b3c4d.0"], False)])
def test_the_packaged_list_is_used_where_the_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str], packaged: bool
) -> None:
    for file in files:
        (tmp_path / file).touch()
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(ssl, "create_default_context", lambda: bare)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: Paths(str(tmp_path)))
    assert tls.default_tls() is bare
    assert bool(bare.get_ca_certs()) is packaged


def test_a_missing_directory_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(ssl, "create_default_context", lambda: bare)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: Paths(None))
    assert tls.default_tls().get_ca_certs()


def test_names_and_certificates_are_checked() -> None:
    context = tls.default_tls()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
