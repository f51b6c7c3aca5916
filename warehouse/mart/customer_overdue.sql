SELECT company_code, customer_id, overdue_1_30 + overdue_31_60 + overdue_61_90 + overdue_over_90 AS overdue
FROM credit_watch
