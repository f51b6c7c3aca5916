from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows import settings
from flows.errors import UsageError
from flows.pipeline import load
from flows.settings import memory


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
        ("VALUEMART_MEMORY_LIMIT", "63MiB", "'63MiB' is too little; give DuckDB 64MiB or more"),
        ("VALUEMART_MEMORY_LIMIT", "much", "'much' is no amount of memory; write it as 1.5GB"),
        ("VALUEMART_CONFIG", "none.toml", "there is no settings file none.toml"),
        ("VALUEMART_STRICT", "perhaps", "valid boolean"),
        ("VALUEMART_RUNNER", "spark", "'local', 'dask' or 'ray'"),
        ("VALUEMART_RUNNER", "dask", "name it as runner_address (VALUEMART_RUNNER_ADDRESS)"),
        ("VALUEMART_RUNNER", "ray", "name it as runner_address (VALUEMART_RUNNER_ADDRESS)"),
        ("VALUEMART_RUNNER_ADDRESS", "scheduler:8786", "as tcp://scheduler:8786"),
        ("VALUEMART_RUNNER_ADDRESS", "http://head:10001", "as ray://head:10001"),
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


def test_the_address_of_another_cluster_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALUEMART_RUNNER", "ray")
    monkeypatch.setenv("VALUEMART_RUNNER_ADDRESS", "tcp://scheduler:8786")

    with pytest.raises(
        settings.SettingsError, match=r"tcp://scheduler:8786 is no address of a cluster of ray's"
    ):
        settings.load()


def test_a_misspelt_variable_is_refused_and_the_right_one_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALUEMART_TIMEZON", "Europe/Berlin")

    with pytest.raises(
        settings.SettingsError, match=r"no setting VALUEMART_TIMEZON; did you mean VALUEMART_TIMEZONE\?"
    ):
        settings.load()


@pytest.mark.parametrize(
    "variable", ["VALUEMART_REAL_DATA", "VALUEMART_REQUIRE_REAL", "VALUEMART_REQUIRE_SERVICES"]
)
def test_what_says_which_tests_run_is_no_misspelt_setting(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = settings.load()
    monkeypatch.setenv(variable, "1")

    assert settings.load() == plain


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


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = settings.load()
    for name in ("HOME", "TENANT", "MEMORY_LIMIT", "SINKS", "SOURCES_PATH"):
        monkeypatch.setenv(f"VALUEMART_{name}", "")
    assert settings.load() == plain


@pytest.mark.parametrize(
    ("said", "expected"),
    [("max\n", 2 << 30), (str(6 << 30), 3 << 29), (str(2 << 30), 1 << 30), (str(64 << 30), 2 << 30)],
    ids=["no limit", "a quarter of the container's", "at least a GiB", "never beyond the machine"],
)
def test_memory_is_a_quarter_of_what_machine_and_container_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, expected: int
) -> None:
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(total=8 << 30))
    monkeypatch.setattr(memory, "_CONTAINER", tmp_path / "memory.max")
    (tmp_path / "memory.max").write_text(said, encoding="ascii")
    assert memory.default_limit() == expected


def test_the_warehouse_holds_no_more_than_the_setting_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VALUEMART_MEMORY_LIMIT", "200MiB")
    monkeypatch.setenv("VALUEMART_HOME", str(tmp_path))
    with load.open_warehouse(settings.load(), datetime(2025, 5, 31)) as connection:
        assert connection.execute("SELECT current_setting('memory_limit')").fetchall() == [("200.0 MiB",)]


def test_the_readme_lists_every_setting_with_its_variable() -> None:
    readme = (Path(settings.__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if line.startswith("| `") and "VALUEMART_" in line]

    assert sorted(row.split("`")[1] for row in rows) == sorted(settings.Settings.model_fields)
    assert all(row.split("`")[3] == f"VALUEMART_{row.split('`')[1].upper()}" for row in rows)


def _sinks(tmp_path: Path, text: str) -> None:
    (tmp_path / "valuemart.toml").write_text(text)


def test_without_a_section_sinks_events_go_to_files() -> None:
    assert {name: sink.kind for name, sink in settings.load().sinks.items()} == {"file": "file"}


def test_with_a_section_sinks_events_go_where_it_says_and_nowhere_else(tmp_path: Path) -> None:
    _sinks(tmp_path, '[sinks.bus]\nkind = "nats"\nurl = "nats://localhost"\ntypes = ["*.tier.*"]\n')
    (sink,) = settings.load().sinks.values()
    assert sink.wanted == {
        f"valuemart.customer.tier.{kind}.{version}"
        for kind in ("changed", "watch")
        for version in ("v1", "v2")
    }


def test_a_sink_without_types_gets_all_also_those_of_later_versions(tmp_path: Path) -> None:
    _sinks(tmp_path, '[sinks.a]\nkind = "file"\n')
    assert settings.load().sinks["a"].wanted is None


def test_paths_of_a_sink_are_taken_from_where_the_file_lies(tmp_path: Path) -> None:
    _sinks(
        tmp_path, '[sinks.a]\nkind = "file"\nfolder = "out"\n[sinks.b]\nkind = "redis"\nurl_file = "url"\n'
    )
    sinks = settings.load().sinks
    assert (sinks["a"].folder, sinks["b"].url_file) == (tmp_path / "out", tmp_path / "url")


def test_a_variable_that_a_sink_names_for_its_secret_is_no_misspelt_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VALUEMART_CRM_SECRET", "whsec_x")
    with pytest.raises(settings.SettingsError, match="there is no setting VALUEMART_CRM_SECRET"):
        settings.load()
    _sinks(tmp_path, '[sinks.a]\nkind = "webhook"\nurl = "https://x/"\nsecret_env = "VALUEMART_CRM_SECRET"\n')
    assert settings.load().sinks["a"].secret_env == "VALUEMART_CRM_SECRET"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[sinks.a]\nkind = "webhok"', "sinks.a: there is no kind 'webhok'; did you mean webhook?"),
        (
            '[sinks.a]\nurl = "x"',
            "sinks.a: name its kind: file, webhook, nats, kafka, redis, amqp, mqtt, prefect",
        ),
        (
            '[sinks.a]\nkind = "nats"\nurl = "x"\nsubject_prefx = "x"',
            "sinks.a: a nats sink has no setting 'subject_prefx'; did you mean subject_prefix?",
        ),
        (
            '[sinks.a]\nkind = "nats"',
            "sinks.a: name the receiver by one of url, url_env (a variable) and url_file",
        ),
        (
            '[sinks.a]\nkind = "nats"\nurl = "nats://u:p@x"',
            "sinks.a: url holds a password; name a variable by url_env or a file by url_file instead",
        ),
        (
            '[sinks.a]\nkind = "webhook"\nurl = "https://x"',
            "sinks.a: name the signing secret by one of secret_env (a variable) and secret_file",
        ),
        ('[sinks."A b"]\nkind = "file"', "sinks.A b: 'A b' is no sink name; use small letters"),
        (
            '[sinks.a]\nkind = "file"\ntypes = ["tier"]',
            "sinks.a.types: no event type fits 'tier'; the types are ",
        ),
        (
            '[sinks.a]\nkind = "file"\nattempts = 0',
            "sinks.a.attempts: Input should be greater than or equal to 1",
        ),
        (
            '[sinks.a]\nkind = "kafka"\nbootstrap_servers = "x"\noptions = { "ssl.key.password" = "x" }',
            "sinks.a: options.ssl.key.password is a secret; use username with password_env or password_file",
        ),
        (
            '[sinks.a]\nkind = "kafka"\nbootstrap_servers = "x"\nusername = "u"',
            "sinks.a: username goes with one of password_env and password_file",
        ),
        ("sinks = 3", "sinks: Input should be a valid dictionary"),
    ],
)
def test_a_sink_that_is_set_wrongly_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    _sinks(tmp_path, text)
    with pytest.raises(settings.SettingsError) as error:
        settings.load()
    assert str(error.value).startswith(f"valuemart.toml: {said}")
    assert "\n" not in str(error.value)


def test_a_day_further_ahead_than_facts_may_lie_is_a_slip_and_not_rated() -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    settings.require_in_reach(date(2028, 11, 30), 731, now=now)
    with pytest.raises(UsageError, match="2062-11-29 lies more than 731 days ahead"):
        settings.require_in_reach(date(2062, 11, 29), 731, now=now)
