-- title: Median of the followers by age group
-- about: The exact median of the follower counts of the posts of each age group.
-- outside: posts of users below 18, or of no known age: SELECT count(*) FROM posts WHERE follower_count IS NOT NULL AND age_group IS NULL
-- chart: columns age_group median_follower_count
-- order: 18-24, 25-35, 36-50, +50
-- `median` would keep each value in memory; counts and sums of them go to the disk.
WITH counted AS (
    SELECT age_group, follower_count, count(*) AS posts
    FROM posts
    WHERE age_group IS NOT NULL AND follower_count IS NOT NULL
    GROUP BY age_group, follower_count
), placed AS (
    SELECT *,
        sum(posts) OVER (PARTITION BY age_group ORDER BY follower_count) AS not_above,
        sum(posts) OVER (PARTITION BY age_group ORDER BY follower_count DESC) AS not_below
    FROM counted
)
-- The value in the middle, or the mean of the two.
SELECT age_group, avg(CAST(follower_count AS DOUBLE)) AS median_follower_count
FROM placed
WHERE abs(not_above - not_below) <= posts
GROUP BY age_group
ORDER BY age_group, median_follower_count
