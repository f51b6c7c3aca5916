SELECT company_code, sum(not_yet_due) AS not_yet_due, sum(overdue_1_30) AS overdue_1_30, sum(overdue_31_60) AS overdue_31_60,
    sum(overdue_61_90) AS overdue_61_90, sum(overdue_over_90) AS overdue_over_90, sum(unapplied_credit) AS unapplied_credit,
    sum(disputed) AS disputed, sum(open_balance) AS open_balance, sum(overdue) AS overdue,
    (sum(overdue) / nullif(sum(not_yet_due + overdue), 0))::DECIMAL(18,6)::DOUBLE AS overdue_share,
    count(*) FILTER (WHERE credit_limit IS NULL)::INTEGER AS without_limit, count(*)::INTEGER AS customers
FROM credit_watch JOIN customer_overdue USING (company_code, customer_id)
GROUP BY company_code
