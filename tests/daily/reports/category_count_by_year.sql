-- Posts per category and year of `timestamp`.
-- Choice: posts without a category are not counted, and a category without posts in a year has no row for it.
SELECT timestamp_year AS post_year, category, count(*) AS category_count
FROM posts
WHERE timestamp_year BETWEEN 2018 AND 2022 AND category IS NOT NULL
GROUP BY timestamp_year, category
