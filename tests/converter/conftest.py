"""What the tests of this package share."""

import pytest


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    """A server on 127.0.0.1 is not to be asked through the proxy of this machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
