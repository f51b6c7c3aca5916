-- How a file's text becomes a value. A value that cannot be read is NULL; the caller keeps its text beside it.

-- Full-width digits and signs, typographic minus, non-breaking spaces and currency marks, as plain ASCII without spaces.
CREATE OR REPLACE MACRO plain_number(value) AS
    regexp_replace(
        translate(value, '０１２３４５６７８９．，－−＋（）', '0123456789.,--+()'),
        '[\s\x{00A0}\x{202F}\x{2009}€$£¥￥元]', '', 'g');

-- A sign behind the digits or accountants' parentheses, moved to the front.
CREATE OR REPLACE MACRO leading_sign(value) AS
    CASE
        WHEN regexp_full_match(value, '\(.+\)') THEN '-' || substr(value, 2, length(value) - 2)
        WHEN suffix(value, '-') THEN '-' || left(value, length(value) - 1)
        WHEN suffix(value, '+') THEN left(value, length(value) - 1)
        ELSE value
    END;

-- Blanks between digits that part no groups of three: '12 34' is two numbers, or a slip, and not 1234.
CREATE OR REPLACE MACRO torn_apart(value) AS
    length(plain_number(value)) < length(value)
    AND regexp_matches(value, '[0-9０-９][\s\x{00A0}\x{202F}\x{2009}]+[0-9０-９]')
    AND NOT regexp_full_match(
        value, '[^0-9０-９]*[0-9０-９]{1,3}([\s\x{00A0}\x{202F}\x{2009}][0-9０-９]{3})+([^0-9０-９\s][0-9０-９]*)?[^0-9０-９]*');

-- Digits with a decimal point, or NULL where the text is no number in this notation. Groups must be groups of three:
-- '1.23' in a file that groups by points is an error, not 123. An exponent has lost digits already and is refused.
-- Most cells hold plain digits, which the first branch tells in a fraction of the time.
CREATE OR REPLACE MACRO decimal_text(value, decimal_mark, group_mark) AS
    CASE
        WHEN regexp_full_match(value, '-?[0-9]+([' || decimal_mark || '][0-9]*)?')
        THEN CASE WHEN decimal_mark = '.' THEN value ELSE replace(value, decimal_mark, '.') END
        WHEN regexp_full_match(
            leading_sign(plain_number(value)),
            '[+-]?([0-9]+|[0-9]{1,3}([' || coalesce(group_mark, ',') || '][0-9]{3})+)?([' || decimal_mark || '][0-9]*)?')
         AND regexp_matches(value, '[0-9０-９]')
         AND NOT torn_apart(value)
         AND (group_mark IS NOT NULL OR NOT contains(plain_number(value), CASE decimal_mark WHEN '.' THEN ',' ELSE '.' END))
        THEN replace(
            CASE WHEN group_mark IS NULL THEN leading_sign(plain_number(value))
                 ELSE replace(leading_sign(plain_number(value)), group_mark, '') END,
            decimal_mark, '.')
    END;

-- The digits after the point that count.
CREATE OR REPLACE MACRO decimal_places(value) AS
    CASE WHEN contains(value, '.') THEN length(rtrim(value, '0')) - strpos(value, '.') ELSE 0 END;

-- Whether more digits count after the point than may; few texts are long enough to need the counting.
CREATE OR REPLACE MACRO more_places_than(value, places) AS
    strlen(value) - strpos(value, '.') > places AND decimal_places(value) > places;

-- The day of a spreadsheet's day number from the first of March 1900 on, NULL where it is none: the days before count one
-- that never was.
CREATE OR REPLACE MACRO day_of_serial(value, first) AS
    CASE WHEN regexp_full_match(value, '[0-9]{1,7}([.,][0-9]+)?')
          AND TRY_CAST(replace(value, ',', '.') AS DOUBLE) BETWEEN 61 AND 2958465
         THEN first + to_seconds(CAST(round(TRY_CAST(replace(value, ',', '.') AS DOUBLE) * 86400) AS BIGINT)) END;

-- A cell without blanks and colons: what may mark a row of totals.
CREATE OR REPLACE MACRO bare_mark(value) AS
    regexp_replace(value, '[\s\x{00A0}\x{3000}:：]', '', 'g');

CREATE OR REPLACE MACRO as_decimal(value) AS TRY_CAST(decimal_text(value, '.', NULL) AS DECIMAL(18, 6));
CREATE OR REPLACE MACRO as_date(value) AS CAST(try_strptime(value, '%Y-%m-%d') AS DATE);
CREATE OR REPLACE MACRO month_of(day) AS CAST(date_trunc('month', day) AS DATE);

-- The document's line number where the source has none: its content, and which of the equal rows of its document it is.
CREATE OR REPLACE MACRO content_line_id(content, occurrence) AS
    left(sha256(content), 16) || '-' || CAST(occurrence AS VARCHAR);
