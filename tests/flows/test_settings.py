from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from flows import settings


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_any_setting_the_data_lie_in_var_below_the_working_folder(tmp_path: Path) -> None:
    loaded = settings.load()

    assert loaded.home == tmp_path / "var"
    assert loaded.inbox == tmp_path / "var" / "inbox"
    assert loaded.policy_file == tmp_path / "var" / "policy.toml"
    assert (loaded.company_currency, loaded.timezone, loaded.tenant) == ("EUR", "Europe/Berlin", "default")


def test_a_variable_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "valuemart.toml").write_text('home = "data"\ncompany_currency = "USD"\n')
    monkeypatch.setenv("VALUEMART_COMPANY_CURRENCY", "CNY")

    loaded = settings.load()

    assert loaded.company_currency == "CNY"
    assert loaded.home == tmp_path / "data"


def test_paths_in_a_file_are_taken_from_where_the_file_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "our_sources").mkdir(parents=True)
    file = elsewhere / "prod.toml"
    file.write_text('home = "data"\nsources_path = ["our_sources"]\n')
    monkeypatch.setenv("VALUEMART_CONFIG", str(file))

    loaded = settings.load()

    assert loaded.home == elsewhere / "data"
    assert loaded.sources_path == [elsewhere / "our_sources"]


def test_a_variable_names_several_source_folders_as_path_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("VALUEMART_SOURCES_PATH", f"{tmp_path / 'a'}:{tmp_path / 'b'}")

    assert settings.load().sources_path == [tmp_path / "a", tmp_path / "b"]


def test_owners_are_ordered_by_company_and_table(tmp_path: Path) -> None:
    (tmp_path / "valuemart.toml").write_text('[owners.DE01]\ncustomers = ["crm", "erp"]\n')

    assert settings.load().owners == {"DE01": {"customers": ["crm", "erp"]}}


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "VALUEMART_TIMEZONE",
            "Europe/Berln",
            "'Europe/Berln' is no time zone; use a name such as Europe/Berlin",
        ),
        ("VALUEMART_COMPANY_CURRENCY", "euro", "'euro' is no currency code"),
        ("VALUEMART_TENANT", "a/b", "'a/b' is no tenant name"),
        ("VALUEMART_POLICY", "none.toml", "there is no policy file none.toml"),
        ("VALUEMART_SOURCES_PATH", "nowhere", "nowhere is not a folder"),
        ("VALUEMART_OWNERS", "{", "is not JSON"),
        ("VALUEMART_CONFIG", "none.toml", "there is no settings file none.toml"),
        ("VALUEMART_STRICT", "perhaps", "valid boolean"),
    ],
)
def test_a_wrong_variable_is_said_in_one_line_with_its_name(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(settings.SettingsError) as caught:
        settings.load()

    assert variable in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_misspelt_variable_is_refused_and_the_right_one_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALUEMART_TIMEZON", "Europe/Berlin")

    with pytest.raises(
        settings.SettingsError, match=r"no setting VALUEMART_TIMEZON; did you mean VALUEMART_TIMEZONE\?"
    ):
        settings.load()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('tenat = "x"', "there is no setting 'tenat'; did you mean tenant?"),
        ("tenant = 3", "tenant: Input should be a valid string"),
        ("owners = {DE01 = {customers = 3}}", "owners['DE01']['customers']"),
        ("tenant = ", "is not TOML"),
        ('home = "taken"', "is a file; name a folder"),
    ],
)
def test_a_wrong_file_is_said_in_one_line_with_its_name(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "valuemart.toml").write_text(text)
    (tmp_path / "taken").write_text("")

    with pytest.raises(settings.SettingsError) as caught:
        settings.load()

    assert "valuemart.toml" in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("timezone", "expected"),
    [
        ("Europe/Berlin", date(2025, 5, 31)),  # 00:30 of 1 June there
        ("America/New_York", date(2025, 5, 30)),  # still 31 May there
        ("Asia/Shanghai", date(2025, 5, 31)),
    ],
)
def test_yesterday_is_the_last_day_over_where_the_company_is(timezone: str, expected: date) -> None:
    assert settings.yesterday(timezone, now=datetime(2025, 5, 31, 22, 30, tzinfo=UTC)) == expected


def test_the_readme_lists_every_setting_with_its_variable() -> None:
    readme = (Path(settings.__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if line.startswith("| `") and "VALUEMART_" in line]

    assert sorted(row.split("`")[1] for row in rows) == sorted(settings.Settings.model_fields)
    assert all(row.split("`")[3] == f"VALUEMART_{row.split('`')[1].upper()}" for row in rows)
