-- title: Posts per category and year
-- about: Posts by the year of their timestamp, 2018 to 2022, and by category.
-- outside: posts of other years: SELECT count(*) FROM posts WHERE category IS NOT NULL AND (date_part('year', "timestamp") BETWEEN 2018 AND 2022) IS NOT TRUE
-- chart: lines post_year category_count category
SELECT CAST(date_part('year', "timestamp") AS INT) AS post_year, category, count(*) AS category_count
FROM posts
WHERE category IS NOT NULL AND date_part('year', "timestamp") BETWEEN 2018 AND 2022
GROUP BY 1, 2
ORDER BY 1, 2, 3
