-- title: Median of the followers by year of joining
-- about: The exact median of the follower counts of the posts, by the year in which their users joined, 2015 to 2020.
-- outside: posts of users who joined in other years: SELECT count(*) FROM posts WHERE follower_count IS NOT NULL AND (date_part('year', date_joined) BETWEEN 2015 AND 2020) IS NOT TRUE
-- chart: columns post_year median_follower_count
-- `median` would keep each value in memory; counts and sums of them go to the disk.
WITH counted AS (
    SELECT CAST(date_part('year', date_joined) AS INT) AS post_year, follower_count, count(*) AS posts
    FROM posts
    WHERE follower_count IS NOT NULL AND date_part('year', date_joined) BETWEEN 2015 AND 2020
    GROUP BY 1, 2
), placed AS (
    SELECT *,
        sum(posts) OVER (PARTITION BY post_year ORDER BY follower_count) AS not_above,
        sum(posts) OVER (PARTITION BY post_year ORDER BY follower_count DESC) AS not_below
    FROM counted
)
-- The value in the middle, or the mean of the two.
SELECT post_year, avg(CAST(follower_count AS DOUBLE)) AS median_follower_count
FROM placed
WHERE abs(not_above - not_below) <= posts
GROUP BY post_year
ORDER BY post_year, median_follower_count
