-- title: The most popular category of each age group
-- about: Posts are counted by their user's age group and category; of each group the category with the most posts is kept, several when they tie.
-- outside: posts of users below 18, or of no known age: SELECT count(*) FROM posts WHERE category IS NOT NULL AND (age >= 18) IS NOT TRUE
-- chart: columns age_group category_count category
-- order: 18-24, 25-35, 36-50, +50
WITH counted AS (
    SELECT
        CASE
            WHEN age BETWEEN 18 AND 24 THEN '18-24'
            WHEN age BETWEEN 25 AND 35 THEN '25-35'
            WHEN age BETWEEN 36 AND 50 THEN '36-50'
            ELSE '+50'
        END AS age_group,
        category,
        count(*) AS category_count
    FROM posts
    WHERE category IS NOT NULL AND age >= 18
    GROUP BY 1, 2
), ranked AS (
    SELECT *, rank() OVER (PARTITION BY age_group ORDER BY category_count DESC) AS place
    FROM counted
)
SELECT age_group, category, category_count
FROM ranked
WHERE place = 1
ORDER BY age_group, category, category_count
