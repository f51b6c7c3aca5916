SELECT company_code, credit_grade, credit_action, count(*)::INTEGER AS customers, sum(open_balance) AS open_balance,
    sum(overdue_1_30 + overdue_31_60 + overdue_61_90 + overdue_over_90) AS overdue,
    sum(overdue_over_90) AS overdue_over_90, sum(exposure) AS exposure, sum(credit_limit) AS credit_limit
FROM credit_watch
GROUP BY company_code, credit_grade, credit_action
