-- What a posted place becomes, column by column.
WITH known AS (
    SELECT ['ind', 'timestamp', 'latitude', 'longitude', 'country'] AS names
),
parsed AS (
    SELECT
        *,
        whole_number(data ->> 'ind') AS ind,
        within(decimal_number(data ->> 'latitude'), -90, 90) AS latitude,
        within(decimal_number(data ->> 'longitude'), -180, 180) AS longitude
    FROM raw, known
    WHERE kind = 'geo'
)
SELECT
    ind,
    kept(data ->> 'country') AS country,
    CASE WHEN latitude IS NOT NULL AND longitude IS NOT NULL THEN [latitude, longitude] END AS coordinates,
    utc_timestamp(data ->> 'timestamp') AS timestamp,
    unknown_fields(data, names) AS _extra,
    unread_fields(data, [
        lost(data, 'latitude', [], latitude IS NOT NULL AND longitude IS NOT NULL),
        lost(data, 'longitude', [], latitude IS NOT NULL AND longitude IS NOT NULL),
        lost(
            data,
            'timestamp',
            [],
            utc_timestamp(data ->> 'timestamp') IS NOT NULL AND NOT is_beyond_microseconds(data ->> 'timestamp')
        )
    ]) AS _unread,
    rejection(data, names, ind) AS code,
    data AS payload
FROM parsed
