-- What a posted pin becomes, column by column.
WITH known AS (
    SELECT ['index', 'unique_id', 'title', 'description', 'poster_name', 'follower_count', 'tag_list',
            'is_image_or_video', 'image_src', 'downloaded', 'save_location', 'category'] AS names
)
SELECT
    whole_number(data ->> 'index') AS ind,
    kept(data ->> 'unique_id') AS unique_id,
    kept_unless(data ->> 'title', ['No Title Data Available']) AS title,
    kept_unless(
        data ->> 'description',
        ['No description available', 'No description available Story format', 'Untitled']
    ) AS description,
    short_count(data ->> 'follower_count') AS follower_count,
    kept_unless(data ->> 'poster_name', ['User Info Error']) AS poster_name,
    kept_unless(data ->> 'tag_list', ['N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e']) AS tag_list,
    kept(data ->> 'is_image_or_video') AS is_image_or_video,
    kept_unless(data ->> 'image_src', ['Image src error.', 'Image src error']) AS image_src,
    kept(regexp_replace(data ->> 'save_location', '^Local save in\s+', '')) AS save_location,
    kept(data ->> 'category') AS category,
    unknown_fields(data, names) AS _extra,
    unread_fields(data, [
        lost(data, 'follower_count', ['User Info Error'], short_count(data ->> 'follower_count') IS NOT NULL),
        lost(
            data,
            'save_location',
            [],
            kept(regexp_replace(data ->> 'save_location', '^Local save in\s+', '')) IS NOT NULL
        )
    ]) AS _unread,
    rejection(data, names, whole_number(data ->> 'index')) AS code,
    data AS payload
FROM raw, known
WHERE kind = 'pin'
