-- The most popular category of each country.
-- Choice: posts without a country or without a category are not counted, so that null is neither.
WITH counts AS (
    SELECT country, category, count(*) AS category_count
    FROM posts
    WHERE country IS NOT NULL AND category IS NOT NULL
    GROUP BY country, category
)
SELECT country, category, category_count
FROM counts
WHERE category_count = (SELECT max(category_count) FROM counts AS others WHERE others.country = counts.country)
