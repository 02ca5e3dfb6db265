-- The most popular category of each year of `timestamp`.
-- Choice: as in `category_count_by_year`, the years are 2018 to 2022, and null is no category.
WITH counts AS (
    SELECT timestamp_year AS post_year, category, count(*) AS category_count
    FROM posts
    WHERE timestamp_year BETWEEN 2018 AND 2022 AND category IS NOT NULL
    GROUP BY timestamp_year, category
)
SELECT post_year, category, category_count
FROM counts
WHERE category_count = (SELECT max(category_count) FROM counts AS others WHERE others.post_year = counts.post_year)
