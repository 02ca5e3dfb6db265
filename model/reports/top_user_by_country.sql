-- title: The poster with the most followers in each country
-- about: Of each country, the posters with the highest follower count among its posts, several when they tie.
-- chart: bars poster_name follower_count
WITH highest AS (
    SELECT country, poster_name, max(follower_count) AS follower_count
    FROM posts
    WHERE country IS NOT NULL AND poster_name IS NOT NULL AND follower_count IS NOT NULL
    GROUP BY country, poster_name
), ranked AS (
    SELECT *, rank() OVER (PARTITION BY country ORDER BY follower_count DESC) AS place
    FROM highest
)
SELECT country, poster_name, follower_count
FROM ranked
WHERE place = 1
ORDER BY country, poster_name, follower_count
