"""The tests on real sets skip where the sets are absent, and fail where `make check-real` asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import real_data


@pytest.mark.parametrize(("is_required", "outcome"), [(True, pytest.fail), (False, pytest.skip)])
def test_absent_sets_fail_with_their_folder_if_required_and_skip_otherwise(
    is_required: bool, outcome: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = tmp_path / "none"
    monkeypatch.setattr(real_data, "REAL_DATA", absent)
    monkeypatch.setattr(real_data, "IS_REQUIRED", is_required)

    with pytest.raises(outcome.Exception, match=r"real data sets are not here: .*none \(VALUEMART_REAL_DATA"):
        real_data.real_folder()
