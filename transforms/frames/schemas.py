"""The shape of every frame that crosses the border of this room.

Generated from the contracts by `make docs`; do not edit. An extract's frame has company_code in front of the contract's
columns and available_on, the day from which a rating may see the row, behind them.
"""

from typing import Final

import polars as pl

# Extracts of which a rating of any day reads all rows, as they are now.
READ_AS_THEY_ARE_NOW: Final = frozenset({"customers", "products"})

# One row an action.
ACTIONS: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "action_id": pl.String(),
        "customer_id": pl.String(),
        "action_done": pl.String(),
        "done_on": pl.Date(),
        "remark": pl.String(),
        "available_on": pl.Date(),
    }
)

# One row an assessment of a customer on a day.
CUSTOMER_ASSESSMENTS: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "assessed_on": pl.Date(),
        "influence": pl.Decimal(7, 4),
        "assessor": pl.String(),
        "expires_on": pl.Date(),
        "available_on": pl.Date(),
    }
)

# One row an old number, its successor, and the day from which it continues.
CUSTOMER_SUCCESSIONS: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "old_customer_id": pl.String(),
        "new_customer_id": pl.String(),
        "valid_from": pl.Date(),
        "share": pl.Decimal(9, 6),
        "reason": pl.String(),
        "available_on": pl.Date(),
    }
)

# One row a customer of one company.
CUSTOMERS: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "name": pl.String(),
        "group_id": pl.String(),
        "territory_id": pl.String(),
        "industry_code": pl.String(),
        "channel": pl.String(),
        "credit_limit": pl.Decimal(18, 4),
        "credit_currency": pl.String(),
        "payment_term_days": pl.Int32(),
        "created_on": pl.Date(),
        "status": pl.String(),
        "status_reason": pl.String(),
        "group_limit": pl.Decimal(18, 4),
        "secured_amount": pl.Decimal(18, 4),
        "secured_until": pl.Date(),
        "available_on": pl.Date(),
    }
)

# One row an estimate of a customer's demand for a product group from a day on, and version.
DEMAND_ESTIMATES: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "product_group": pl.String(),
        "period_start": pl.Date(),
        "estimate_version": pl.String(),
        "amount": pl.Decimal(18, 4),
        "quantity": pl.Decimal(18, 6),
        "unit": pl.String(),
        "source": pl.String(),
        "estimated_on": pl.Date(),
        "supplied_by": pl.String(),
        "current_price": pl.Decimal(18, 4),
        "available_on": pl.Date(),
    }
)

# One row a rate between two currencies on a day.
FX_RATES: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "from_currency": pl.String(),
        "to_currency": pl.String(),
        "rate_date": pl.Date(),
        "rate": pl.Decimal(18, 9),
        "available_on": pl.Date(),
    }
)

# One row a contact with a customer.
INTERACTIONS: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "interaction_id": pl.String(),
        "customer_id": pl.String(),
        "occurred_at": pl.Datetime("us"),
        "kind": pl.String(),
        "direction": pl.String(),
        "is_feedback": pl.Boolean(),
        "product_group": pl.String(),
        "project_ref": pl.String(),
        "available_on": pl.Date(),
    }
)

# One row a line of a billing document.
INVOICE_LINES: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "document_id": pl.String(),
        "line_id": pl.String(),
        "document_type": pl.String(),
        "invoice_date": pl.Date(),
        "customer_id": pl.String(),
        "product_id": pl.String(),
        "quantity": pl.Decimal(18, 6),
        "uom": pl.String(),
        "net_amount": pl.Decimal(18, 4),
        "currency": pl.String(),
        "net_amount_company": pl.Decimal(18, 4),
        "company_currency": pl.String(),
        "cost_amount_company": pl.Decimal(18, 4),
        "cost_basis": pl.String(),
        "freight_amount": pl.Decimal(18, 4),
        "rebate_amount": pl.Decimal(18, 4),
        "is_cancelled": pl.Boolean(),
        "is_intercompany": pl.Boolean(),
        "is_free_goods": pl.Boolean(),
        "channel": pl.String(),
        "ship_to_territory": pl.String(),
        "references_document_id": pl.String(),
        "reverses_document_id": pl.String(),
        "base_quantity": pl.Decimal(18, 6),
        "salesperson_id": pl.String(),
        "available_on": pl.Date(),
    }
)

# One row a sighting of our goods in the market.
MARKET_OBSERVATIONS: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "observation_id": pl.String(),
        "observed_on": pl.Date(),
        "customer_id": pl.String(),
        "product_id": pl.String(),
        "found_territory": pl.String(),
        "resale_price": pl.Decimal(18, 4),
        "evidence_ref": pl.String(),
        "confirmed": pl.Boolean(),
        "available_on": pl.Date(),
    }
)

# One row a line of a sales order that is not billed yet.
OPEN_ORDERS: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "order_id": pl.String(),
        "line_id": pl.String(),
        "customer_id": pl.String(),
        "amount": pl.Decimal(18, 4),
        "promised_on": pl.Date(),
        "available_on": pl.Date(),
    }
)

# One row an application of a payment to an item on a day.
PAYMENT_ALLOCATIONS: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "payment_id": pl.String(),
        "item_id": pl.String(),
        "allocated_on": pl.Date(),
        "amount": pl.Decimal(18, 4),
        "available_on": pl.Date(),
    }
)

# One row a payment received.
PAYMENTS: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "payment_id": pl.String(),
        "customer_id": pl.String(),
        "payment_date": pl.Date(),
        "amount": pl.Decimal(18, 4),
        "currency": pl.String(),
        "method": pl.String(),
        "available_on": pl.Date(),
    }
)

# One row a plan, version, level, member of the level and span of months.
PLANS: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "plan_id": pl.String(),
        "plan_version": pl.String(),
        "level": pl.String(),
        "member": pl.String(),
        "period_start": pl.Date(),
        "period_end": pl.Date(),
        "planned_net_sales": pl.Decimal(18, 4),
        "planned_on": pl.Date(),
        "available_on": pl.Date(),
    }
)

# One row a floor price of a product in a territory, channel, currency and unit, from a day on.
PRICE_FLOORS: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "product_id": pl.String(),
        "territory_id": pl.String(),
        "channel": pl.String(),
        "currency": pl.String(),
        "uom": pl.String(),
        "valid_from": pl.Date(),
        "floor_net_price": pl.Decimal(18, 4),
        "valid_to": pl.Date(),
        "available_on": pl.Date(),
    }
)

# One row a product of one company.
PRODUCTS: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "product_id": pl.String(),
        "name": pl.String(),
        "category": pl.String(),
        "base_uom": pl.String(),
        "lifecycle_stage": pl.String(),
        "status_from": pl.Date(),
        "standard_cost": pl.Decimal(18, 4),
        "available_on": pl.Date(),
    }
)

# One row an item of the customer ledger, open or settled.
RECEIVABLES: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "item_id": pl.String(),
        "customer_id": pl.String(),
        "document_id": pl.String(),
        "item_type": pl.String(),
        "posting_date": pl.Date(),
        "due_date": pl.Date(),
        "original_amount": pl.Decimal(18, 4),
        "currency": pl.String(),
        "original_amount_company": pl.Decimal(18, 4),
        "company_currency": pl.String(),
        "cleared_date": pl.Date(),
        "clearing_id": pl.String(),
        "is_disputed": pl.Boolean(),
        "promised_on": pl.Date(),
        "item_settlement": pl.String(),
        "bill_due_on": pl.Date(),
        "references_document_id": pl.String(),
        "references_order_id": pl.String(),
        "disputed_amount": pl.Decimal(18, 4),
        "disputed_from": pl.Date(),
        "disputed_to": pl.Date(),
        "available_on": pl.Date(),
    }
)

# One row a customer's right to a territory, for a product group, from a day on.
TERRITORIES: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "territory_id": pl.String(),
        "customer_id": pl.String(),
        "product_group": pl.String(),
        "valid_from": pl.Date(),
        "valid_to": pl.Date(),
        "exclusive": pl.Boolean(),
        "available_on": pl.Date(),
    }
)

# One row a person's decision on a customer's tier, from a day on.
TIER_OVERRIDES: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "valid_from": pl.Date(),
        "tier": pl.String(),
        "owner": pl.String(),
        "reason": pl.String(),
        "valid_to": pl.Date(),
        "lifts_credit_stop": pl.Boolean(),
        "available_on": pl.Date(),
    }
)

# One row a factor between two units of measure, of one product or of all.
UOM_CONVERSIONS: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "product_id": pl.String(),
        "from_uom": pl.String(),
        "to_uom": pl.String(),
        "factor": pl.Decimal(18, 9),
        "available_on": pl.Date(),
    }
)

# One row a customer and kind of conduct, as of the last rating.
CONDUCT_FINDING: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "kind": pl.String(),
        "as_of": pl.Date(),
        "confidence": pl.String(),
        "reason": pl.String(),
        "measure": pl.String(),
        "value": pl.Decimal(18, 6),
        "threshold": pl.Decimal(18, 6),
        "evidence_count": pl.Int32(),
        "evidence_from": pl.Date(),
        "evidence_to": pl.Date(),
        "concerned_amount": pl.Decimal(38, 4),
        "evidence": pl.String(),
    }
)

# One row a customer and watched day on which a credit warning stood.
CREDIT_WARNING_DAY: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "as_of": pl.Date(),
        "warning_since": pl.Date(),
        "warning_calm_since": pl.Date(),
        "warning_causes": pl.String(),
        "causes": pl.List(pl.String()),
    }
)

# One row a customer with receivables, as of the last rating.
CREDIT_WATCH: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "as_of": pl.Date(),
        "open_balance": pl.Decimal(38, 4),
        "not_yet_due": pl.Decimal(38, 4),
        "overdue_1_30": pl.Decimal(38, 4),
        "overdue_31_60": pl.Decimal(38, 4),
        "overdue_61_90": pl.Decimal(38, 4),
        "overdue_over_90": pl.Decimal(38, 4),
        "unapplied_credit": pl.Decimal(38, 4),
        "disputed": pl.Decimal(38, 4),
        "overdue_share": pl.Decimal(18, 6),
        "oldest_overdue_days": pl.Decimal(18, 6),
        "net_overdue": pl.Decimal(38, 4),
        "net_overdue_share": pl.Decimal(18, 6),
        "net_overdue_over_90": pl.Decimal(38, 4),
        "net_oldest_overdue_days": pl.Decimal(18, 6),
        "graded_overdue_share": pl.Decimal(18, 6),
        "graded_overdue_days": pl.Decimal(18, 6),
        "to_be_applied": pl.Decimal(38, 4),
        "disputed_open": pl.Decimal(38, 4),
        "bills_outstanding": pl.Decimal(38, 4),
        "written_off_24m": pl.Decimal(38, 4),
        "credit_limit": pl.Decimal(38, 4),
        "credit_limit_reason": pl.String(),
        "limit_rate_on": pl.Date(),
        "open_orders": pl.Decimal(38, 4),
        "exposure": pl.Decimal(38, 4),
        "secured_amount": pl.Decimal(38, 4),
        "exposure_unsecured": pl.Decimal(38, 4),
        "months_known": pl.Int32(),
        "utilisation": pl.Decimal(18, 6),
        "days_late_12m": pl.Decimal(18, 6),
        "days_beyond_terms_12m": pl.Decimal(18, 6),
        "dso_countback": pl.Decimal(18, 6),
        "best_possible_dso": pl.Decimal(18, 6),
        "average_days_delinquent": pl.Decimal(18, 6),
        "collection_effectiveness": pl.Decimal(18, 6),
        "days_late_trend": pl.Decimal(18, 6),
        "days_late_p90_12m": pl.Decimal(18, 6),
        "broken_promises": pl.Int32(),
        "newly_overdue_share": pl.Decimal(18, 6),
        "net_newly_overdue_share": pl.Decimal(18, 6),
        "credit_grade": pl.String(),
        "credit_action": pl.String(),
        "action_reason": pl.String(),
        "next_order_headroom": pl.Decimal(38, 4),
        "group_id": pl.String(),
        "group_exposure": pl.Decimal(38, 4),
        "group_limit": pl.Decimal(38, 4),
        "group_headroom": pl.Decimal(38, 4),
        "warning_since": pl.Date(),
        "warning_causes": pl.String(),
        "warning_reason": pl.String(),
        "warning_calm_since": pl.Date(),
    }
)

# One row a company and day on which its credit was watched.
CREDIT_WATCH_DAY: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "as_of": pl.Date(),
        "seen_until": pl.Datetime("us"),
        "follows": pl.Date(),
    }
)

# One row a rated customer, of the latest rated period.
CUSTOMER_EXPECTATION: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "period": pl.Date(),
        "expected_net_sales_12m": pl.Decimal(38, 4),
        "expected_net_sales_low": pl.Decimal(38, 4),
        "expected_net_sales_high": pl.Decimal(38, 4),
        "expected_contribution_12m": pl.Decimal(38, 4),
        "expected_basis": pl.String(),
        "buying_share": pl.Decimal(9, 6),
        "model_version": pl.Int32(),
    }
)

# One row a rated customer and period.
CUSTOMER_FORECAST: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "period": pl.Date(),
        "expected_net_sales_12m": pl.Decimal(38, 4),
        "expected_net_sales_low": pl.Decimal(38, 4),
        "expected_net_sales_high": pl.Decimal(38, 4),
        "expected_basis": pl.String(),
        "net_sales_12m": pl.Decimal(38, 4),
        "model_version": pl.Int32(),
        "recorded_at": pl.Datetime("us"),
        "origin": pl.String(),
    }
)

# One row a customer and month with at least one line that counts.
CUSTOMER_MONTH: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "month": pl.Date(),
        "net_sales": pl.Decimal(38, 4),
        "quantity": pl.Decimal(38, 6),
        "orders": pl.Int64(),
        "invoiced": pl.Decimal(38, 4),
        "returns": pl.Decimal(38, 4),
        "price_credits": pl.Decimal(38, 4),
        "cost": pl.Decimal(38, 4),
        "cost_basis": pl.String(),
        "gross_amount": pl.Decimal(38, 4),
        "gross_amount_with_cost": pl.Decimal(38, 4),
        "freight": pl.Decimal(38, 4),
        "rebates": pl.Decimal(38, 4),
        "contribution": pl.Decimal(38, 4),
    }
)

# One row a rating period, level and member of each dimension, for the 12 months to the period's end.
CUSTOMER_STRUCTURE: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "period": pl.Date(),
        "level": pl.String(),
        "channel": pl.String(),
        "lifecycle_stage": pl.String(),
        "territory": pl.String(),
        "net_sales_12m": pl.Decimal(38, 4),
        "gross_contribution_12m": pl.Decimal(38, 4),
        "customers": pl.Int32(),
        "new_customers": pl.Int32(),
        "share_of_sales": pl.Decimal(18, 6),
        "hhi": pl.Decimal(9, 6),
        "top10_share": pl.Decimal(9, 6),
        "direct_share": pl.Decimal(18, 6),
        "export_share": pl.Decimal(18, 6),
        "new_product_share": pl.Decimal(18, 6),
        "net_sales_change": pl.Decimal(18, 6),
        "contribution_change": pl.Decimal(38, 4),
        "customers_change": pl.Int32(),
    }
)

# One row a succeeded customer and a successor at the end of its chain.
CUSTOMER_SUCCESSION: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "successor_id": pl.String(),
        "share": pl.Decimal(9, 6),
        "succession_on": pl.Date(),
    }
)

# One row a customer, rating period and revision.
CUSTOMER_VALUE_HISTORY: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "period": pl.Date(),
        "revision": pl.Int32(),
        "closed_through": pl.Date(),
        "as_of": pl.Date(),
        "recorded_at": pl.Datetime("us"),
        "cause": pl.String(),
        "cause_reason": pl.String(),
        "policy_id": pl.String(),
        "policy_version": pl.String(),
        "policy_hash": pl.String(),
        "rules_version": pl.Int32(),
        "master_missing": pl.Boolean(),
        "history_truncated": pl.Boolean(),
        "months_of_history": pl.Int32(),
        "first_order_on": pl.Date(),
        "last_order_on": pl.Date(),
        "net_sales_12m": pl.Decimal(38, 4),
        "volume_reason": pl.String(),
        "quantity_12m": pl.Decimal(38, 6),
        "quantity_effect_12m": pl.Decimal(38, 4),
        "price_effect_12m": pl.Decimal(38, 4),
        "quantity_change_12m": pl.Decimal(18, 6),
        "sales_change_cause": pl.String(),
        "abc_class": pl.String(),
        "steadiness": pl.Decimal(9, 6),
        "steadiness_reason": pl.String(),
        "steadiness_seasonal": pl.Decimal(9, 6),
        "xyz_class": pl.String(),
        "contribution_12m": pl.Decimal(38, 4),
        "contribution_reason": pl.String(),
        "contribution_basis": pl.String(),
        "loss_component": pl.String(),
        "cost_coverage": pl.Decimal(9, 6),
        "cost_estimated_share": pl.Decimal(9, 6),
        "cost_estimated_12m": pl.Decimal(38, 4),
        "margin_12m": pl.Decimal(18, 6),
        "return_rate_12m": pl.Decimal(18, 6),
        "price_credit_rate_12m": pl.Decimal(18, 6),
        "returns_warned": pl.Boolean(),
        "loyalty": pl.Decimal(9, 6),
        "loyalty_reason": pl.String(),
        "loyalty_basis": pl.String(),
        "season_months": pl.Int32(),
        "active_month_ratio": pl.Decimal(9, 6),
        "tenure_years": pl.Decimal(9, 6),
        "usual_gap_days": pl.Decimal(18, 6),
        "repurchase_timeliness": pl.Decimal(9, 6),
        "share_of_wallet": pl.Decimal(9, 6),
        "p_alive": pl.Decimal(9, 6),
        "days_since_last_order": pl.Int32(),
        "net_sales_12m_before": pl.Decimal(38, 4),
        "pace_ratio": pl.Decimal(18, 6),
        "pace_basis": pl.String(),
        "pace_months": pl.Int32(),
        "gap_multiple": pl.Decimal(18, 6),
        "decline_state": pl.String(),
        "decline_since": pl.Date(),
        "decline_low_periods": pl.Int32(),
        "decline_calm_periods": pl.Int32(),
        "decline_stake": pl.Decimal(38, 4),
        "decline_reason": pl.String(),
        "is_growing": pl.Boolean(),
        "feedback_rate": pl.Decimal(18, 6),
        "feedback_reason": pl.String(),
        "complaints_12m": pl.Int32(),
        "influence": pl.Decimal(9, 6),
        "influence_reason": pl.String(),
        "influence_assessor": pl.String(),
        "influence_assessed_on": pl.Date(),
        "headroom_12m": pl.Decimal(38, 4),
        "headroom_reason": pl.String(),
        "potential_method": pl.String(),
        "estimated_demand_12m": pl.Decimal(38, 4),
        "sales_trend": pl.Decimal(18, 6),
        "volume_score": pl.Decimal(7, 4),
        "steadiness_score": pl.Decimal(7, 4),
        "contribution_score": pl.Decimal(7, 4),
        "loyalty_score": pl.Decimal(7, 4),
        "feedback_score": pl.Decimal(7, 4),
        "influence_score": pl.Decimal(7, 4),
        "potential_score": pl.Decimal(7, 4),
        "volume_points": pl.Decimal(7, 4),
        "steadiness_points": pl.Decimal(7, 4),
        "contribution_points": pl.Decimal(7, 4),
        "loyalty_points": pl.Decimal(7, 4),
        "feedback_points": pl.Decimal(7, 4),
        "influence_points": pl.Decimal(7, 4),
        "potential_points": pl.Decimal(7, 4),
        "score": pl.Decimal(7, 4),
        "score_coverage": pl.Decimal(9, 6),
        "unassessed": pl.String(),
        "volume_class": pl.String(),
        "loyalty_class": pl.String(),
        "segment": pl.String(),
        "raw_tier": pl.String(),
        "ungated_tier": pl.String(),
        "strategic_basis": pl.String(),
        "gate": pl.String(),
        "memory_tier": pl.String(),
        "tier_since": pl.Date(),
        "periods_up": pl.Int32(),
        "up_tier": pl.String(),
        "periods_down": pl.Int32(),
        "down_tier": pl.String(),
        "periods_lateral": pl.Int32(),
        "cap_tier": pl.String(),
        "cap_reason": pl.String(),
        "capped_by_confirmed_conduct": pl.Boolean(),
        "capped_by_credit_stop": pl.Boolean(),
        "capped_by_erp_block": pl.Boolean(),
        "capped_by_chronic_lateness": pl.Boolean(),
        "cap_since": pl.Date(),
        "cap_clean_periods": pl.Int32(),
        "override_tier": pl.String(),
        "override_owner": pl.String(),
        "override_reason": pl.String(),
        "override_valid_to": pl.Date(),
        "effective_tier": pl.String(),
        "effective_rank": pl.Int32(),
        "watch_tier": pl.String(),
        "watch_direction": pl.String(),
        "watch_gap": pl.String(),
        "watch_deadline": pl.Date(),
        "continues": pl.String(),
        "succeeded_by": pl.String(),
        "succession_on": pl.Date(),
    }
)

# One row a customer with an expected figure and month ahead, twelve each.
EXPECTATION_MONTH: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "month": pl.Date(),
        "period": pl.Date(),
        "expected_net_sales": pl.Decimal(38, 4),
    }
)

# One row a level and member, of the latest rated period; the members of a level sum up to the company.
EXPECTATION_TOTAL: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "level": pl.String(),
        "member": pl.String(),
        "period": pl.Date(),
        "customers": pl.Int32(),
        "expected_net_sales_12m": pl.Decimal(38, 4),
        "expected_net_sales_low": pl.Decimal(38, 4),
        "expected_net_sales_high": pl.Decimal(38, 4),
        "expected_contribution_12m": pl.Decimal(38, 4),
    }
)

# One row a customer, as of the last rating.
EXPLANATION: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "period": pl.Date(),
        "period_before": pl.Date(),
        "score_from": pl.Decimal(7, 4),
        "score_to": pl.Decimal(7, 4),
        "drivers": pl.String(),
        "tier_basis": pl.String(),
        "gates": pl.String(),
        "memory": pl.String(),
        "binding_bar": pl.String(),
        "counterfactual_tier": pl.String(),
        "counterfactual": pl.String(),
        "what_it_takes": pl.String(),
    }
)

# One row a customer and term (seven measures, coverage, policy), as of the last rating.
EXPLANATION_TERM: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "term": pl.String(),
        "period": pl.Date(),
        "place": pl.Int32(),
        "value_from": pl.Decimal(38, 6),
        "value_to": pl.Decimal(38, 6),
        "score_from": pl.Decimal(7, 4),
        "score_to": pl.Decimal(7, 4),
        "points_from": pl.Decimal(7, 4),
        "points_to": pl.Decimal(7, 4),
        "delta": pl.Decimal(7, 4),
        "reason": pl.String(),
    }
)

# One row a forecast period of which the twelve months that follow are closed.
FORECAST_ACCURACY: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "period": pl.Date(),
        "origin": pl.String(),
        "model_version": pl.Int32(),
        "customers": pl.Int32(),
        "expected_net_sales": pl.Decimal(38, 4),
        "actual_net_sales": pl.Decimal(38, 4),
        "total_error": pl.Decimal(18, 6),
        "wape": pl.Decimal(18, 6),
        "last_year_net_sales": pl.Decimal(38, 4),
        "last_year_total_error": pl.Decimal(18, 6),
        "last_year_wape": pl.Decimal(18, 6),
        "covered_share": pl.Decimal(9, 6),
        "covered_share_large": pl.Decimal(9, 6),
        "new_customer_net_sales": pl.Decimal(38, 4),
    }
)

# One row a customer and product group of which an estimate says import, as of the last rating.
IMPORT_CASE: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "product_group": pl.String(),
        "period": pl.Date(),
        "as_of": pl.Date(),
        "stage": pl.String(),
        "demand_12m": pl.Decimal(38, 4),
        "quantity": pl.Decimal(18, 6),
        "unit": pl.String(),
        "current_price": pl.Decimal(18, 4),
        "net_sales_12m": pl.Decimal(38, 4),
        "imported_since": pl.Date(),
        "estimated_on": pl.Date(),
        "joint_work_12m": pl.Int32(),
        "last_joint_work_on": pl.Date(),
    }
)

# One row a customer, as of the last rating.
NEXT_ACTION: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "period": pl.Date(),
        "as_of": pl.Date(),
        "action": pl.String(),
        "priority": pl.Int32(),
        "place": pl.Int32(),
        "at_stake": pl.Decimal(38, 4),
        "reason": pl.String(),
        "also": pl.String(),
    }
)

# One row a customer and day with at least one order, one that was credited afterwards included (notes, samples, fees, freight and deposits make no order day).
ORDER_DAY: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "order_on": pl.Date(),
        "orders": pl.Int64(),
        "net_sales": pl.Decimal(38, 4),
        "credited_orders": pl.Int64(),
        "credited_net_sales": pl.Decimal(38, 4),
    }
)

# One row a strategic customer, as of the last rating.
PARTNER_CARD: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "period": pl.Date(),
        "as_of": pl.Date(),
        "name": pl.String(),
        "tier_since": pl.Date(),
        "score": pl.Decimal(7, 4),
        "net_sales_12m": pl.Decimal(38, 4),
        "sales_trend": pl.Decimal(18, 6),
        "steadiness": pl.Decimal(9, 6),
        "feedback_rate": pl.Decimal(18, 6),
        "joint_projects": pl.Int32(),
        "joint_work_12m": pl.Int32(),
        "last_joint_work_on": pl.Date(),
        "complaints_12m": pl.Int32(),
        "overdue": pl.Decimal(38, 4),
        "disputed": pl.Decimal(38, 4),
        "watch_gap": pl.String(),
    }
)

# One row a customer, text (of a kind of conduct or a tier change, where it has one) and reason.
REASON: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "about": pl.String(),
        "kind": pl.String(),
        "period": pl.Date(),
        "revision": pl.Int32(),
        "event_id": pl.String(),
        "place": pl.Int32(),
        "code": pl.String(),
        "subject": pl.String(),
        "label": pl.String(),
        "value": pl.Decimal(38, 6),
        "bar": pl.Decimal(38, 6),
        "clears_at": pl.Decimal(38, 6),
        "amount": pl.Decimal(38, 4),
        "counted": pl.Int32(),
        "out_of": pl.Int32(),
        "day": pl.Date(),
        "name": pl.String(),
        "remark": pl.String(),
    }
)

# One row a customer, month, product, channel and ship-to territory with at least one line that counts.
SALES_CELL: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "month": pl.Date(),
        "product_id": pl.String(),
        "channel": pl.String(),
        "ship_to_territory": pl.String(),
        "net_sales": pl.Decimal(38, 4),
        "contribution": pl.Decimal(38, 4),
        "invoiced_net_sales": pl.Decimal(38, 4),
        "invoiced_quantity": pl.Decimal(38, 6),
        "covered_cost": pl.Decimal(38, 4),
        "covered_quantity": pl.Decimal(38, 6),
        "costed_cost": pl.Decimal(38, 4),
        "costed_net_sales": pl.Decimal(38, 4),
        "uncosted_quantity": pl.Decimal(38, 6),
        "uncosted_net_sales": pl.Decimal(38, 4),
        "uncosted_gross": pl.Decimal(38, 4),
        "unmeasured_net_sales": pl.Decimal(38, 4),
    }
)

# One row a customer, month and salesperson with at least one line that counts.
SALESPERSON_MONTH: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "month": pl.Date(),
        "salesperson_id": pl.String(),
        "net_sales": pl.Decimal(38, 4),
    }
)

# One row a customer and period in which its effective tier is another than in the one before.
TIER_CHANGE: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "period": pl.Date(),
        "revision": pl.Int32(),
        "event_id": pl.String(),
        "as_of": pl.Date(),
        "recorded_at": pl.Datetime("us"),
        "from_tier": pl.String(),
        "from_rank": pl.Int32(),
        "to_tier": pl.String(),
        "to_rank": pl.Int32(),
        "direction": pl.String(),
        "cause": pl.String(),
        "raw_tier": pl.String(),
        "base_period": pl.Date(),
        "segment_from": pl.String(),
        "segment_to": pl.String(),
        "score_from": pl.Decimal(7, 4),
        "score_to": pl.Decimal(7, 4),
        "net_sales_from": pl.Decimal(38, 4),
        "net_sales_to": pl.Decimal(38, 4),
        "contribution_from": pl.Decimal(38, 4),
        "contribution_to": pl.Decimal(38, 4),
        "quantity_effect_12m": pl.Decimal(38, 4),
        "price_effect_12m": pl.Decimal(38, 4),
        "reasons": pl.String(),
        "policy_version": pl.String(),
        "policy_hash": pl.String(),
        "supersedes": pl.String(),
    }
)

# One row a customer whose contribution is assessed, in the latest rated period.
VALUE_CURVE: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "period": pl.Date(),
        "place": pl.Int32(),
        "contribution_12m": pl.Decimal(38, 4),
        "cumulative_contribution": pl.Decimal(38, 4),
        "customer_share": pl.Decimal(9, 6),
        "cumulative_share": pl.Decimal(18, 6),
        "is_peak": pl.Boolean(),
        "destroyed": pl.Decimal(38, 4),
    }
)
