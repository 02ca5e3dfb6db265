-- The country, or the countries, of the highest of `top_user_by_country`.
-- Choice: a country in which several posters have that count is one row.
SELECT DISTINCT country, follower_count
FROM top_user_by_country
WHERE follower_count = (SELECT max(follower_count) FROM top_user_by_country)
