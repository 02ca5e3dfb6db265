-- The most popular category of each age group.
-- Choice: posts without a category are not counted. The age is that of the user on the post, so someone with several
-- posts counts with each of them.
WITH counts AS (
    SELECT age_group, category, count(*) AS category_count
    FROM posts
    WHERE age_group IS NOT NULL AND category IS NOT NULL
    GROUP BY age_group, category
)
SELECT age_group, category, category_count
FROM counts
WHERE category_count = (SELECT max(category_count) FROM counts AS others WHERE others.age_group = counts.age_group)
