-- Rounding: once, half to even; money to 4 places, ratios to 6. n and d are whole numbers.
CREATE OR REPLACE MACRO half_even(n, d) AS
    CASE WHEN d > 0 THEN
        CASE WHEN n < 0 THEN -1 ELSE 1 END
        * (abs(n) // d + CASE WHEN 2 * (abs(n) % d) > d OR (2 * (abs(n) % d) = d AND (abs(n) // d) % 2 = 1) THEN 1 ELSE 0 END)
    END;

CREATE OR REPLACE MACRO units4(amount) AS CAST(amount * 10000 AS HUGEINT);
CREATE OR REPLACE MACRO units6(amount) AS CAST(amount * 1000000 AS HUGEINT);
CREATE OR REPLACE MACRO from_units4(units) AS CAST(units AS DECIMAL(38, 0)) * 0.0001::DECIMAL(4, 4);

-- A ratio as it is stored; thresholds, grades and scores speak of the stored figure, which is the one a person sees.
CREATE OR REPLACE MACRO six(ratio) AS CAST(round_even(ratio, 6) AS DECIMAL(38, 6));

CREATE OR REPLACE MACRO units9(rate) AS CAST(rate * 1000000000 AS HUGEINT);

-- An amount of a master in the currency of the books; null without a rate.
CREATE OR REPLACE MACRO in_books(amount, is_foreign, num, den) AS
    CASE WHEN is_foreign THEN from_units4(half_even(units4(amount) * num, den)) ELSE amount END::DECIMAL(38, 4);

CREATE OR REPLACE MACRO hardness(action) AS list_position(['open', 'watch', 'prepay', 'stop'], action);
