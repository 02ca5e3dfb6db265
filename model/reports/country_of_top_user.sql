-- title: The country of the poster with the most followers
-- about: Of the posters with the most followers in each country, the country of the one with the most, several when they tie.
-- chart: bars country follower_count
WITH highest AS (
    SELECT country, max(follower_count) AS follower_count
    FROM posts
    WHERE country IS NOT NULL AND poster_name IS NOT NULL AND follower_count IS NOT NULL
    GROUP BY country
)
SELECT country, follower_count
FROM highest
WHERE follower_count = (SELECT max(follower_count) FROM highest)
ORDER BY country, follower_count
