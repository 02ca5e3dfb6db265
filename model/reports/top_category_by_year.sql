-- title: The most popular category of each year
-- about: Of each year, 2018 to 2022, the category with the most posts, several when they tie.
-- outside: posts of other years: SELECT count(*) FROM posts WHERE category IS NOT NULL AND (date_part('year', "timestamp") BETWEEN 2018 AND 2022) IS NOT TRUE
-- chart: columns post_year category_count category
WITH counted AS (
    SELECT CAST(date_part('year', "timestamp") AS INT) AS post_year, category, count(*) AS category_count
    FROM posts
    WHERE category IS NOT NULL AND date_part('year', "timestamp") BETWEEN 2018 AND 2022
    GROUP BY 1, 2
), ranked AS (
    SELECT *, rank() OVER (PARTITION BY post_year ORDER BY category_count DESC) AS place
    FROM counted
)
SELECT post_year, category, category_count
FROM ranked
WHERE place = 1
ORDER BY post_year, category, category_count
