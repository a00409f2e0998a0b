"""The studio keeps marks in the user's cache folder; these tests use a folder of their own."""

import pytest


@pytest.fixture(scope="package", autouse=True)
def _own_cache(tmp_path_factory):
    """Kernels and servers that the tests start inherit the folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYTRACK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
