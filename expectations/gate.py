"""The gate: judges staged tables with Great Expectations, pushed down into DuckDB. The only machinery of its kind."""

from __future__ import annotations

import importlib
import logging
import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from expectations.late_imports import loaded_when_used
from expectations.rules import content_rules, identity_rules, listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

    import duckdb
    from great_expectations import ExpectationSuite
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.data_context import EphemeralDataContext

    from expectations.contract import Contract
    from expectations.rules import Rule

# Great Expectations spends some 3 ms of Python on an expectation whatever the table's size, so a small table is first
# asked one question for all rules, in one validation with the batch's other small tables, and then only about the rules
# broken. On a large one the scans cost more than that.
_SMALL: Final = 200_000

# Lists the rows of small tables that break any rule: the table they are of, file and row.
_LISTED: Final = "__breaking_rows"

# Pass or fail and the query of the offending rows, and nothing else: all column rules share one aggregate query.
_RESULT_FORMAT: Final = {
    "result_format": "BOOLEAN_ONLY",
    "unexpected_index_column_names": ["_file", "_row", "_problems"],
    "return_unexpected_index_query": True,
}


# What Great Expectations imports for distributions and charts, which no rule asks for: two fifths of its import.
_UNASKED: Final = ("scipy.stats", "altair")

_COUNTS: Final = {"result_format": "BASIC", "partial_unexpected_count": 0}


class GateError(Exception):
    """A rule that could not be evaluated: neither kept nor broken, so nothing may be loaded on its word."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that some rows of a staged table break.

    `query` selects _file and _row of exactly those rows, on any connection that sees the judged schema. `column` is
    None for a rule over several columns.
    """

    rule: str
    column: str | None
    rows: int
    message: str
    query: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gate found in one staged table: how many rows it has, and the rules broken, in the rules' order."""

    table: str
    passed: bool
    rows: int
    violations: tuple[Violation, ...]


class Gate:
    """Judges the staged tables of many batches, on many connections, with one Great Expectations context.

    The context is made when the first table is judged, since importing Great Expectations takes seconds.
    """

    def __init__(self) -> None:
        self._context: EphemeralDataContext | None = None

    def judge(
        self, connection: duckdb.DuckDBPyConnection, contract: Contract, *, schema: str = "staging"
    ) -> Judgement:
        """One staged table; see `judge_all`."""
        return self.judge_all(connection, [contract], schema=schema)[0]

    def judge_all(
        self, connection: duckdb.DuckDBPyConnection, contracts: Sequence[Contract], *, schema: str = "staging"
    ) -> list[Judgement]:
        """The staged tables of those contracts, each against its contract and the rules of staging.

        The tables must be committed, each with `<table>__duplicates` beside it. Rows with is_deleted are tombstones:
        only what identifies them is judged; where there are any, the view `<table>__live` is left in the schema, which
        the violations' queries read. A cell that could not be read breaks `unreadable_value`, and not the rule that
        it is missing as well. Raises GateError if a rule could not be evaluated.
        """
        suites = _import_quietly("expectations.suites")
        with connection.cursor() as cursor:
            counts = {each.name: _count(cursor, schema, each.name) for each in contracts}
            small = [each for each in contracts if counts[each.name][0] <= _SMALL]
            listed = _list_breaking_rows(cursor, schema, [listing(each, schema) for each in small])
            clean: set[str] = set()
            if listed:
                names = [each.name for each in small]
                broken = self._broken(connection, schema, _LISTED, suites.clean_suite(names))
                clean = set(names) - broken.keys()
            return [
                Judgement(each.name, passed=True, rows=counts[each.name][0], violations=())
                if each.name in clean
                else self._judge_by_rule(
                    connection, cursor, each, schema, counts[each.name], suspected=listed and each in small
                )
                for each in contracts
            ]

    def data_docs_page(
        self, connection: duckdb.DuckDBPyConnection, contract: Contract, *, schema: str = "staging"
    ) -> str:
        """Great Expectations' own page on a judged table: every rule, and how many rows break it. HTML.

        It judges the table a second time, rule by rule and in numbers, which takes most of a second. Nothing that was
        delivered stands in the page: a value could be markup. Rules of content count tombstones too.
        """
        suites = _import_quietly("expectations.suites")
        rules = (*identity_rules(contract, schema), *content_rules(contract))
        with self._whole_table(connection, schema, contract.name) as whole:
            outcome = whole.get_batch().validate(suites.rule_suite(contract, rules), result_format=_COUNTS)
        outcome.meta.setdefault("run_id", contract.name)
        renderer = _import_quietly("great_expectations.render.renderer").ValidationResultsPageRenderer()
        view = _import_quietly("great_expectations.render.view").DefaultJinjaPageView()
        return str(view.render(renderer.render(outcome)))

    def _judge_by_rule(
        self,
        connection: duckdb.DuckDBPyConnection,
        cursor: duckdb.DuckDBPyConnection,
        contract: Contract,
        schema: str,
        counts: tuple[int, int],
        *,
        suspected: bool,
    ) -> Judgement:
        """One table by all its rules, each an expectation; a suspected one by those that its rows break by predicate."""
        suites = _import_quietly("expectations.suites")
        rows, tombstones = counts
        identity, content = identity_rules(contract, schema), content_rules(contract)
        if suspected:
            identity = _suspects(cursor, schema, contract.name, identity)
            content = _suspects(cursor, schema, contract.name, content, "is_deleted IS NOT TRUE")
        parts = [(contract.name, (*identity, *content))]
        if tombstones:
            parts = [(contract.name, identity), (_live_view(cursor, schema, contract.name), content)]
        violations: list[Violation] = []
        for table, rules in parts:
            suite = suites.rule_suite(contract, rules)
            queries = self._broken(connection, schema, table, suite) if rules else {}
            if suspected and len(queries) < len(rules):
                met = [rule.name for rule in rules if rule.name not in queries]
                raise GateError(f"{table}: rows break {met} by predicate, and none does by expectation")
            whole = f'SELECT _file, _row FROM "{schema}"."{table}" WHERE '
            violations += [
                _violation(cursor, rule, queries[rule.name] or whole + rule.violated_where)
                for rule in rules
                if rule.name in queries
            ]
        broken = tuple(violation for violation in violations if violation.rows)
        return Judgement(contract.name, passed=not broken, rows=rows, violations=broken)

    def _broken(
        self, connection: duckdb.DuckDBPyConnection, schema: str, table: str, suite: ExpectationSuite
    ) -> dict[str, str | None]:
        """The expectations the table does not meet, by their rules, with the queries they give of the offending rows.

        None where an expectation gives no such query, since it is itself a query of the offending rows.
        """
        with self._whole_table(connection, schema, table) as whole:
            outcome = whole.get_batch().validate(suite, result_format=_RESULT_FORMAT)
        if len(outcome.results) != len(suite.expectations):
            raise GateError(
                f"{table}: {len(outcome.results)} of {len(suite.expectations)} rules were evaluated"
            )
        queries: dict[str, str | None] = {}
        for result in outcome.results:
            configuration = result.expectation_config
            if configuration is None or configuration.meta is None:
                raise GateError(f"{table}: a result does not say which rule it is about")
            rule = configuration.meta["rule"]
            problem = _raised(result.exception_info)
            if problem is not None:
                raise GateError(f"{table}: the rule {rule} could not be evaluated: {problem}")
            if not result.success:
                query = result.result.get("unexpected_index_query")
                queries[rule] = query.rstrip("; \n") if query is not None else None
        return queries

    @contextmanager
    def _whole_table(
        self, connection: duckdb.DuckDBPyConnection, schema: str, table: str
    ) -> Iterator[BatchDefinition[Any]]:
        """The table as Great Expectations sees it, on a cursor of the connection; forgotten again afterwards."""
        import duckdb_sqlalchemy
        from sqlalchemy.pool import StaticPool

        context = self._context = self._context or _quiet_context()
        source = context.data_sources.add_sql(
            "staging",
            connection_string="duckdb:///:memory:",
            # Not a database of its own but a cursor of the caller's. The last three settings keep SQLAlchemy from
            # rolling back, which would drop the pending result before Great Expectations has fetched it.
            kwargs={  # type: ignore[call-arg]  # missing from its stubs
                "creator": lambda: duckdb_sqlalchemy.ConnectionWrapper(connection.cursor()),
                "poolclass": StaticPool,
                "isolation_level": "AUTOCOMMIT",
                "skip_autocommit_rollback": True,
                "pool_reset_on_return": None,
            },
        )
        try:
            with warnings.catch_warnings():
                # schema_name is to give way to a schema in the connection's URL, which a creator's connection has none of.
                warnings.simplefilter("ignore", DeprecationWarning)
                asset = source.add_table_asset(table, table_name=table, schema_name=schema)
            yield asset.add_batch_definition_whole_table("all")
        finally:
            context.data_sources.delete("staging")


class PredicateGate(Gate):
    """Judges by the rules' predicates alone: the same verdict without Great Expectations, which takes seconds to import.

    For a try of which nothing is loaded: what is loaded, the expectations have passed.
    """

    def judge_all(
        self, connection: duckdb.DuckDBPyConnection, contracts: Sequence[Contract], *, schema: str = "staging"
    ) -> list[Judgement]:
        """The staged tables of those contracts; see `Gate.judge_all`."""
        with connection.cursor() as cursor:
            return [_judge_by_predicates(cursor, each, schema) for each in contracts]


def _judge_by_predicates(cursor: duckdb.DuckDBPyConnection, contract: Contract, schema: str) -> Judgement:
    import duckdb

    name, violations = contract.name, list[Violation]()
    whole = f'SELECT _file, _row, _problems FROM "{schema}"."{name}" WHERE '
    bound = ((identity_rules(contract, schema), "true"), (content_rules(contract), "is_deleted IS NOT TRUE"))
    for rules, binding in bound:
        try:
            suspects = _suspects(cursor, schema, name, rules, binding)
        except duckdb.Error:
            suspects = rules  # one by one it shows which of them it is
        for rule in suspects:
            try:
                found = _violation(cursor, rule, f"{whole}{binding} AND ({rule.violated_where})")
            except duckdb.Error as error:
                message = f"{name}: the rule {rule.name} could not be evaluated: {error}"
                raise GateError(message) from error
            violations += [found] if found.rows else []
    rows, _ = _count(cursor, schema, name)
    return Judgement(name, passed=not violations, rows=rows, violations=tuple(violations))


def _import_quietly(module: str) -> ModuleType:
    # What Great Expectations and its dependencies warn of while they are imported is not the reader's to change.
    with warnings.catch_warnings(), loaded_when_used(*_UNASKED):
        warnings.simplefilter("ignore")
        return importlib.import_module(module)


def _quiet_context() -> EphemeralDataContext:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    gx = _import_quietly("great_expectations")
    base = _import_quietly("great_expectations.data_context.types.base")
    # It sets its own level, and tells of a temporary folder that is gone by then.
    logging.getLogger(base.__name__).setLevel(logging.WARNING)
    bars = base.ProgressBarsConfig(globally=False)
    context: EphemeralDataContext = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = bars
    # An ephemeral context has nowhere to keep its configuration, and still writes all of it out as YAML, three times a
    # table; that takes longer than judging a small one.
    context._save_project_config = lambda: None  # type: ignore[method-assign]  # noqa: SLF001
    return context


def _count(cursor: duckdb.DuckDBPyConnection, schema: str, table: str) -> tuple[int, int]:
    """How many rows a staged table has, and how many of them are tombstones."""
    query = f'SELECT count(*), count(*) FILTER (is_deleted) FROM "{schema}"."{table}"'
    [(rows, tombstones)] = cursor.execute(query).fetchall()
    return rows, tombstones


def _list_breaking_rows(cursor: duckdb.DuckDBPyConnection, schema: str, listings: Sequence[str]) -> bool:
    """List the rows that break any rule; False where there is nothing to list, or a rule cannot be evaluated so.

    Which rule that is, the expectations say when they are asked one by one.
    """
    import duckdb

    if not listings:
        return False
    try:
        cursor.execute(f'CREATE OR REPLACE TABLE "{schema}"."{_LISTED}" AS {" UNION ALL ".join(listings)}')
    except duckdb.Error:
        return False
    return True


def _suspects(
    cursor: duckdb.DuckDBPyConnection,
    schema: str,
    table: str,
    rules: Sequence[Rule],
    binding: str = "true",
) -> tuple[Rule, ...]:
    """The rules that some row breaks by their predicate, looking at the rows they bind: those worth an expectation."""
    if not rules:
        return ()
    hits = ", ".join(f"count(*) FILTER ({rule.violated_where})" for rule in rules)
    [counts] = cursor.execute(f'SELECT {hits} FROM "{schema}"."{table}" WHERE {binding}').fetchall()
    return tuple(rule for rule, count in zip(rules, counts, strict=True) if count)


def _live_view(cursor: duckdb.DuckDBPyConnection, schema: str, table: str) -> str:
    live = f"{table}__live"
    cursor.execute(
        f'CREATE OR REPLACE VIEW "{schema}"."{live}" AS '
        f'SELECT * FROM "{schema}"."{table}" WHERE is_deleted IS NOT TRUE'
    )
    return live


def _violation(cursor: duckdb.DuckDBPyConnection, rule: Rule, offending: str) -> Violation:
    query = f"SELECT _file, _row FROM ({offending})"
    if rule.kind == "missing":
        # A cell that was delivered but could not be read is null by now; it is no missing one.
        query += (
            " WHERE NOT list_contains(list_transform(coalesce(_problems, []),"
            f" lambda problem: split_part(problem, ':', 1)), '{rule.column}')"
        )
    [(rows,)] = cursor.execute(f"SELECT count(*) FROM ({query})").fetchall()
    return Violation(rule.name, rule.column, rows, rule.message, query)


def _raised(exception_info: Mapping[str, Any]) -> str | None:
    """What went wrong while a rule was evaluated, or None. Great Expectations reports it flat or by metric."""
    if "raised_exception" in exception_info:
        return exception_info["exception_message"] if exception_info["raised_exception"] else None
    return next((str(each["exception_message"]) for each in exception_info.values()), "unknown error")
