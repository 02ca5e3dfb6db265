-- What a posted user becomes, column by column.
WITH known AS (
    SELECT ['ind', 'first_name', 'last_name', 'age', 'date_joined'] AS names
)
SELECT
    whole_number(data ->> 'ind') AS ind,
    -- `concat_ws` leaves out nulls together with their blank, and gives an empty text when both are null.
    nullif(concat_ws(' ', kept(data ->> 'first_name'), kept(data ->> 'last_name')), '') AS user_name,
    within(whole_number(data ->> 'age'), 0, 150)::INTEGER AS age,
    utc_timestamp(data ->> 'date_joined') AS date_joined,
    unknown_fields(data, names) AS _extra,
    unread_fields(data, [
        lost(data, 'age', [], within(whole_number(data ->> 'age'), 0, 150) IS NOT NULL),
        lost(
            data,
            'date_joined',
            [],
            utc_timestamp(data ->> 'date_joined') IS NOT NULL AND NOT is_beyond_microseconds(data ->> 'date_joined')
        )
    ]) AS _unread,
    rejection(data, names, whole_number(data ->> 'ind')) AS code,
    data AS payload
FROM raw, known
WHERE kind = 'user'
