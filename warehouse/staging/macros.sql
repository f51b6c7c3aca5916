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
-- '1.23' in a file that groups by points is an error, not 123. An exponent has lost digits already and is refused. A dash right
-- behind the decimal mark stands for no cents where one writes so, and for a minus where another does: '1.234,-' is refused.
-- Most cells hold plain digits, which the first branch tells in a fraction of the time.
CREATE OR REPLACE MACRO decimal_text(value, decimal_mark, group_mark) AS
    CASE
        WHEN regexp_full_match(value, '-?[0-9]+([' || decimal_mark || '][0-9]*)?')
        THEN CASE WHEN decimal_mark = '.' THEN value ELSE replace(value, decimal_mark, '.') END
        WHEN regexp_matches(value, '[0-9０-９]') AND NOT torn_apart(value)
         AND NOT suffix(plain_number(value), decimal_mark || '-')
        THEN list_transform([leading_sign(plain_number(value))], lambda number: CASE
            WHEN regexp_full_match(
                number,
                '[+-]?([0-9]+|[0-9]{1,3}([' || coalesce(group_mark, ',') || '][0-9]{3})+)?([' || decimal_mark || '][0-9]*)?')
             AND (group_mark IS NOT NULL OR NOT contains(number, CASE decimal_mark WHEN '.' THEN ',' ELSE '.' END))
            THEN replace(CASE WHEN group_mark IS NULL THEN number ELSE replace(number, group_mark, '') END, decimal_mark, '.')
            END)[1]
    END;

-- The digits after the point that count.
CREATE OR REPLACE MACRO decimal_places(value) AS
    CASE WHEN contains(value, '.') THEN length(rtrim(value, '0')) - strpos(value, '.') ELSE 0 END;

-- Whether more digits count after the point than may; few texts are long enough to need the counting.
CREATE OR REPLACE MACRO more_places_than(value, places) AS
    strlen(value) - strpos(value, '.') > places AND decimal_places(value) > places;

-- A binary fraction as the digits that it was written with: fifteen count of a DOUBLE, as workbooks show them.
CREATE OR REPLACE MACRO double_text(value) AS
    coalesce(
        rtrim(rtrim(CAST(TRY_CAST(printf('%.15g', value) AS DECIMAL(38, 18)) AS VARCHAR), '0'), '.'),
        CAST(TRY_CAST(printf('%.15g', value) AS DECIMAL(38, 0)) AS VARCHAR),
        CAST(value AS VARCHAR));

-- How far a number is from what it would be with so many decimals.
CREATE OR REPLACE MACRO off_by(number, places) AS
    CAST(abs(number - round(number, places)) AS DOUBLE);

-- Whether what a number has beyond so many decimals is the noise of computing in binary fractions: a difference in the last
-- of fifteen digits (three of it at most), of the number itself or of those that it was computed from, if they were in
-- millions; and at most a tenth of what the last decimal counts.
CREATE OR REPLACE MACRO is_noise(value, places) AS
    coalesce(
        off_by(TRY_CAST(value AS DECIMAL(38, 18)), places) <= pow(10, -places - 1)
        AND (off_by(TRY_CAST(value AS DECIMAL(38, 18)), places) < 1e-9
             OR off_by(TRY_CAST(value AS DECIMAL(38, 18)), places)
                <= 3.1 * pow(10, floor(log10(greatest(abs(TRY_CAST(value AS DOUBLE)), 1e-9))) - 14)),
        false);

-- Whether a text is a moment that says how far from UTC its clock is: 2026-01-31T23:30:00Z, 2026-01-31 23:30+01:00.
CREATE OR REPLACE MACRO is_instant(value) AS
    regexp_full_match(
        value,
        '[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)? ?([Zz]|UTC|GMT|[+-][0-9]{2}(:?[0-9]{2})?)');

-- What a clock in a time zone shows at such a moment; null where the text is none.
CREATE OR REPLACE MACRO local_moment(value, zone) AS
    CASE WHEN is_instant(value)
         THEN timezone(
            zone,
            TRY_CAST(
                regexp_replace(
                    regexp_replace(replace(upper(value), ',', '.'), ' ?(Z|UTC|GMT)$', '+00'),
                    '^(.{10}[T ][0-9]{2}:[0-9]{2})([+-])', '\1:00\2')
                AS TIMESTAMPTZ)) END;

-- The day of a spreadsheet's day number from the first of March 1900 on, NULL where it is none: the days before count one
-- that never was.
CREATE OR REPLACE MACRO day_of_serial(value, first) AS
    CASE WHEN regexp_full_match(value, '[0-9]{1,7}([.,][0-9]+)?')
          AND TRY_CAST(replace(value, ',', '.') AS DOUBLE) BETWEEN 61 AND 2958465
         THEN first + to_seconds(CAST(round(TRY_CAST(replace(value, ',', '.') AS DOUBLE) * 86400000) AS BIGINT) // 1000) END;

-- A cell without blanks, line breaks and characters that nobody sees at its ends (no-break and zero-width ones, NUL, marks
-- of byte order), and without the guard by which a code is kept from spreadsheets: ="00017". Most cells have none of them,
-- which the first branch tells.
CREATE OR REPLACE MACRO cell_text(value) AS
    CASE WHEN NOT regexp_matches(
            value,
            '^[\x00-\x20\x7F-\xA0\x{00AD}\x{1680}\x{180E}\x{2000}-\x{200F}\x{2028}-\x{202F}\x{205F}-\x{206F}\x{3000}\x{FEFF}]|[\x00-\x20\x7F-\xA0\x{00AD}\x{1680}\x{180E}\x{2000}-\x{200F}\x{2028}-\x{202F}\x{205F}-\x{206F}\x{3000}\x{FEFF}]$|^="')
         THEN value
         ELSE regexp_replace(
            regexp_replace(
                value,
                '^[\x00-\x20\x7F-\xA0\x{00AD}\x{1680}\x{180E}\x{2000}-\x{200F}\x{2028}-\x{202F}\x{205F}-\x{206F}\x{3000}\x{FEFF}]+|[\x00-\x20\x7F-\xA0\x{00AD}\x{1680}\x{180E}\x{2000}-\x{200F}\x{2028}-\x{202F}\x{205F}-\x{206F}\x{3000}\x{FEFF}]+$',
                '', 'g'),
            '^="([^"]*)"$', '\1')
    END;

-- Whether an identifier holds what nobody sees, or takes for a blank: with it, and without it, it would be two customers.
-- A line break is seen, and the wide blank of Chinese and Japanese.
CREATE OR REPLACE MACRO has_invisible(value) AS
    regexp_matches(
        value,
        '[\x00-\x09\x0B\x0C\x0E-\x1F\x7F-\xA0\x{00AD}\x{034F}\x{061C}\x{1680}\x{180B}-\x{180E}\x{2000}-\x{200F}\x{2028}-\x{202F}\x{205F}-\x{206F}\x{3164}\x{FE00}-\x{FE0F}\x{FEFF}\x{FFF9}-\x{FFFB}]');

-- (Ranges of characters, since a class such as \p{L} takes ten milliseconds to compile, for every column.)
-- The error of a formula as spreadsheets write it in any language (#N/A, #NV, #WERT!, #¿NOMBRE?, Err:502), a column too
-- narrow for its number (####), and what programs write for a number that is none.
CREATE OR REPLACE MACRO is_error_text(value) AS
    regexp_full_match(
        value,
        '#[^\x00-\x2D:-@\[-^`{-\x{A0}]+[!?]|#[A-Za-z\x{C0}-\x{FFFF}]{1,2}/[A-Za-z\x{C0}-\x{FFFF}]{1,4}!?( N/A)?|#(NV|ND|YOK|HIÁNYZIK|NENÍ_K_DISPOZICI|GETTING_DATA)|#{3,}|Err:[0-9]{3}|[+-]?(nan|NaN|NAN)|NaT|<NA>|-?1\.#(IND|QNAN|INF)0*');

-- Why a cell holds no value at all, null where it may be one.
CREATE OR REPLACE MACRO lost_value(value) AS
    CASE WHEN is_error_text(value) THEN 'cell_is_an_error'
         WHEN regexp_full_match(value, '(?s)=[A-Za-z0-9_$''"(\[{+@-].*') THEN 'formula_without_value' END;

-- Why a text is no code any more, null where it may be one: a spreadsheet made a number of it and shows a few of its digits
-- (1,23E+11), or an error stands there, or a formula that nobody has computed.
CREATE OR REPLACE MACRO lost_code(value) AS
    CASE WHEN regexp_full_match(value, '(?s)#.*|=.*|Err:.*|[+-]?(nan|NaN|NAN)|NaT|<NA>|-?1\.#.*|-?[0-9]([.,][0-9]*)?[eE].*')
         THEN CASE WHEN regexp_full_match(value, '-?[0-9]([.,][0-9]+)?[eE]\+[0-9]{2,3}|-?[0-9]\.([0-9]{2,}|0)E[0-9]{1,3}') THEN 'code_is_numeric'
                   ELSE lost_value(value) END END;

-- A cell without blanks and colons: what may mark a row of totals.
CREATE OR REPLACE MACRO bare_mark(value) AS
    regexp_replace(value, '[\s\x{00A0}\x{3000}:：]', '', 'g');

CREATE OR REPLACE MACRO as_decimal(value) AS TRY_CAST(decimal_text(value, '.', NULL) AS DECIMAL(18, 6));
-- An amount of any width, rounded: DuckDB takes forty times as long for one of more than 18 digits, and hardly one needs them.
CREATE OR REPLACE MACRO in_four_decimals(value) AS
    coalesce(TRY_CAST(TRY_CAST(value AS DECIMAL(18, 9)) AS DECIMAL(18, 4)), CAST(value AS DECIMAL(38, 4)));
CREATE OR REPLACE MACRO as_date(value) AS CAST(try_strptime(value, '%Y-%m-%d') AS DATE);
CREATE OR REPLACE MACRO month_of(day) AS CAST(date_trunc('month', day) AS DATE);

-- The document's line number where the source has none: its content, and which of the equal rows of its document it is.
CREATE OR REPLACE MACRO content_line_id(content, occurrence) AS
    left(sha256(content), 16) || '-' || CAST(occurrence AS VARCHAR);
