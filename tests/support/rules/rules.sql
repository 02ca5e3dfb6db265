-- The rules that several kinds share. They are written from the data contract and not from `crates/cleaning`, so that a
-- mistake in one of the two shows as a difference.

-- White space as Unicode has it; `\s` would know ASCII only, and miss the no-break space.
CREATE MACRO kept(value) AS
    CASE WHEN NOT regexp_full_match(value, '[\x09-\x0D\x{85}\p{Z}]*') THEN value END;

CREATE MACRO trimmed(value) AS
    regexp_replace(value, '^[\x09-\x0D\x{85}\p{Z}]+|[\x09-\x0D\x{85}\p{Z}]+$', '', 'g');

-- No-data markers count in their exact spelling only.
CREATE MACRO kept_unless(value, markers) AS
    CASE WHEN NOT list_contains(markers, value) THEN kept(value) END;

-- The pattern comes before the cast because a cast also takes `inf`, `nan` and `1_000`.
CREATE MACRO decimal_number(value) AS
    CASE WHEN regexp_full_match(trim(value), '-?\d+(\.\d+)?([eE][+-]?\d+)?') THEN TRY_CAST(trim(value) AS DOUBLE) END;

-- `31.0` is a whole number and `31.5` is none; a cast alone would round it.
CREATE MACRO whole_number(value) AS
    CASE WHEN regexp_full_match(trim(value), '-?\d+(\.0+)?')
    THEN TRY_CAST(regexp_replace(trim(value), '\.0+$', '') AS BIGINT) END;

CREATE MACRO within(number, low, high) AS
    CASE WHEN number BETWEEN low AND high THEN number END;

-- Dates are split by `-` or by `:`. A time without a zone is in UTC.
CREATE MACRO timestamp_parts(value) AS
    regexp_extract(
        trimmed(value),
        '^(\d{4}-\d\d-\d\d|\d{4}:\d\d:\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?:Z|([+-]\d\d):?(\d\d))?)?$',
        ['date', 'time', 'hours', 'minutes']
    );
CREATE MACRO timestamp_of_parts(parts) AS
    TRY_CAST(
        replace(parts.date, ':', '-') || ' '
        || CASE length(parts.time) WHEN 0 THEN '00:00:00' WHEN 5 THEN parts.time || ':00' ELSE parts.time END
        || CASE WHEN parts.hours = '' THEN '+00:00' ELSE parts.hours || ':' || parts.minutes END
        AS TIMESTAMPTZ
    );
CREATE MACRO utc_timestamp(value) AS timestamp_of_parts(timestamp_parts(value));

-- A count is put together from its digits, because 5.6 times a million is not exact in binary. What is left behind the
-- decimal point after the unit is taken must be zeros, or the count is not a whole number.
CREATE MACRO count_parts(value) AS
    regexp_extract(trimmed(value), '^(\d+|\d{1,3}(?:,\d{3})+)(?:\.(\d+))?([kKmMbB]?)$', ['whole', 'fraction', 'unit']);
CREATE MACRO count_of_parts(parts, zeros) AS
    CASE WHEN length(rtrim(parts.fraction, '0')) <= zeros
    THEN TRY_CAST(replace(parts.whole, ',', '') || rpad(parts.fraction, zeros, '0') AS BIGINT) END;
CREATE MACRO short_count(value) AS
    count_of_parts(
        count_parts(value),
        CASE lower(count_parts(value).unit) WHEN 'k' THEN 3 WHEN 'm' THEN 6 WHEN 'b' THEN 9 ELSE 0 END
    );

-- The fields that no rule knows, as a JSON object.
CREATE MACRO unknown_fields(row_json, known) AS
    '{' || nullif(array_to_string(
        list_transform(
            list_filter(json_keys(row_json), lambda name: NOT list_contains(known, name)),
            lambda name: to_json(name) || ':' || json_extract(row_json, name)
        ), ','
    ), '') || '}';

-- The name of a field whose value says something and is in no column; null when there is nothing to keep.
CREATE MACRO lost(row_json, name, markers, is_in_column) AS
    CASE WHEN kept_unless(row_json ->> name, markers) IS NOT NULL AND NOT is_in_column THEN name END;
CREATE MACRO is_beyond_microseconds(value) AS
    coalesce(regexp_matches(value, '\.\d{6}0*[1-9]'), false);

-- The fields of these names, as a JSON object.
CREATE MACRO unread_fields(row_json, names) AS
    '{' || nullif(array_to_string(
        list_transform(
            list_sort(list_filter(names, lambda name: name IS NOT NULL)),
            lambda name: to_json(name) || ':' || json_extract(row_json, name)
        ), ','
    ), '') || '}';

-- Why a row is rejected; null when it is clean.
CREATE MACRO rejection(row_json, known, ind) AS
    CASE
        WHEN len(list_filter(known, lambda name: json_type(row_json, name) IN ('OBJECT', 'ARRAY'))) > 0 THEN 'bad_type'
        WHEN ind IS NULL THEN 'missing_key'
    END;
