-- title: The most popular category of each age group
-- about: Posts are counted by their user's age group and category; of each group the category with the most posts is kept, several when they tie.
-- outside: posts of users below 18, or of no known age: SELECT count(*) FROM posts WHERE category IS NOT NULL AND age_group IS NULL
-- chart: columns age_group category_count category
-- order: 18-24, 25-35, 36-50, +50
WITH counted AS (
    SELECT age_group, category, count(*) AS category_count
    FROM posts
    WHERE category IS NOT NULL AND age_group IS NOT NULL
    GROUP BY age_group, category
), ranked AS (
    SELECT *, rank() OVER (PARTITION BY age_group ORDER BY category_count DESC) AS place
    FROM counted
)
SELECT age_group, category, category_count
FROM ranked
WHERE place = 1
ORDER BY age_group, category, category_count
