"""Run by the Python of an environment with Superset: a database, a dataset and a chart of the mart by its own interface, and the answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CONFIG = """
SECRET_KEY = "of this test alone, and long enough for it"
SQLALCHEMY_DATABASE_URI = "sqlite:///{books}"
WTF_CSRF_ENABLED = TALISMAN_ENABLED = RATELIMIT_ENABLED = False
"""
ADMIN = {"username": "admin", "password": "admin"}


def main(mart: Path) -> None:
    """Print tier, customers and net sales."""
    config = Path("superset_config.py").resolve()
    config.write_text(CONFIG.format(books=config.with_name("books.db")))
    os.environ |= {"SUPERSET_CONFIG_PATH": str(config), "FLASK_APP": "superset.app:create_app()"}
    named = ("--firstname", "a", "--lastname", "b", "--email", "a@example.org")
    tool = Path(sys.executable).with_name("superset")
    for words in (
        ("db", "upgrade"),
        ("fab", "create-admin", "--username", ADMIN["username"], "--password", ADMIN["password"], *named),
        ("init",),
    ):
        subprocess.run([tool, *words], check=True, stdout=sys.stderr)

    from superset.app import create_app

    with create_app().test_client() as client:
        headers: dict[str, str] = {}

        def ask(path: str, body: dict[str, Any]) -> Any:
            answer = client.post(f"/api/v1/{path}", json=body, headers=headers)
            if answer.status_code not in (200, 201):
                raise SystemExit(f"{path}: {answer.status_code} {answer.get_data(as_text=True)}")
            return answer.get_json()

        logged_in = ask("security/login", {**ADMIN, "provider": "db", "refresh": False})
        headers["Authorization"] = f"Bearer {logged_in['access_token']}"
        read_only = json.dumps({"engine_params": {"connect_args": {"read_only": True}}})
        database = ask(
            "database/", {"database_name": "mart", "sqlalchemy_uri": f"duckdb:///{mart}", "extra": read_only}
        )
        dataset = ask(
            "dataset/", {"database": database["id"], "schema": "main", "table_name": "customer_value"}
        )
        source = {"id": dataset["id"], "type": "table"}
        ask(
            "chart/",
            {
                "slice_name": "tiers",
                "datasource_id": source["id"],
                "datasource_type": "table",
                "viz_type": "table",
            },
        )
        query = {
            "columns": ["effective_tier"],
            "orderby": [["effective_tier", True]],
            "metrics": [
                {"expressionType": "SQL", "sqlExpression": "count(*)", "label": "customers"},
                {
                    "expressionType": "SQL",
                    "sqlExpression": "sum(net_sales_12m)::VARCHAR",
                    "label": "net_sales",
                },
            ],
        }
        found = ask("chart/data", {"datasource": source, "queries": [query]})
    for row in found["result"][0]["data"]:
        sys.stdout.write(f"{row['effective_tier']}|{row['customers']}|{row['net_sales']}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
