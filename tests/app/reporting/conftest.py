"""Results as DICOM of one phantom."""

import pytest

from tests.app.reporting.dicom_cases import KINDS, segmented


@pytest.fixture(scope="session", params=KINDS)
def drawn(request, tmp_path_factory):
    """A segmented phantom whose source is classic or enhanced."""
    return segmented(tmp_path_factory.mktemp(request.param), KINDS[request.param])
