-- title: The most popular category of each country
-- about: Posts are counted by country and category; of each country the category with the most posts is kept, several when they tie.
-- chart: bars country category_count
WITH counted AS (
    SELECT country, category, count(*) AS category_count
    FROM posts
    WHERE country IS NOT NULL AND category IS NOT NULL
    GROUP BY country, category
), ranked AS (
    SELECT *, rank() OVER (PARTITION BY country ORDER BY category_count DESC) AS place
    FROM counted
)
SELECT country, category, category_count
FROM ranked
WHERE place = 1
ORDER BY country, category, category_count
