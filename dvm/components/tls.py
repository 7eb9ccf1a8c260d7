"""The certificate authorities that fetching trusts: the system's, else a packaged list."""

from __future__ import annotations

import os
import ssl

import certifi


def default_tls() -> ssl.SSLContext:
    """A client's context that checks certificate and host name. Reads files: not for the event loop."""
    context = ssl.create_default_context()
    if not context.get_ca_certs() and not _has_directory():
        context.load_verify_locations(certifi.where())
    return context


def _has_directory() -> bool:
    """Whether there is a directory of certificates, which OpenSSL reads only when it needs one of them."""
    paths = ssl.get_default_verify_paths()  # capath is None where the directory is missing
    return bool(paths.capath) and any(name.endswith(".0") for name in os.listdir(paths.capath))
