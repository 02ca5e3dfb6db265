-- The poster with the most followers in each country.
-- Choice: posts without a country, a poster or a count are left out before the highest count is looked for, so that a
-- count without a poster hides nobody, and a country where no post has all three has no row.
-- Choice: several posts of a poster with the same count are one row. Of a poster's counts the highest counts.
WITH known AS (
    SELECT DISTINCT country, poster_name, follower_count
    FROM posts
    WHERE country IS NOT NULL AND poster_name IS NOT NULL AND follower_count IS NOT NULL
)
SELECT country, poster_name, follower_count
FROM known
WHERE follower_count = (SELECT max(follower_count) FROM known AS others WHERE others.country = known.country)
