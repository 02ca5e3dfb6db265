-- title: Median of the followers by age group
-- about: The exact median of the follower counts of the posts of each age group.
-- outside: posts of users below 18, or of no known age: SELECT count(*) FROM posts WHERE follower_count IS NOT NULL AND (age >= 18) IS NOT TRUE
-- chart: columns age_group median_follower_count
-- order: 18-24, 25-35, 36-50, +50
SELECT
    CASE
        WHEN age BETWEEN 18 AND 24 THEN '18-24'
        WHEN age BETWEEN 25 AND 35 THEN '25-35'
        WHEN age BETWEEN 36 AND 50 THEN '36-50'
        ELSE '+50'
    END AS age_group,
    -- As whole numbers, the mean of the two middle values would lose its half.
    median(CAST(follower_count AS DOUBLE)) AS median_follower_count
FROM posts
WHERE age >= 18 AND follower_count IS NOT NULL
GROUP BY 1
ORDER BY 1, 2
