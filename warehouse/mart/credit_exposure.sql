SELECT company_code, credit_grade, credit_action, count(*)::INTEGER AS customers, sum(open_balance) AS open_balance,
    sum(overdue) AS overdue, sum(overdue_over_90) AS overdue_over_90, sum(exposure) AS exposure,
    sum(credit_limit) AS credit_limit
FROM credit_watch JOIN customer_overdue USING (company_code, customer_id)
GROUP BY company_code, credit_grade, credit_action
