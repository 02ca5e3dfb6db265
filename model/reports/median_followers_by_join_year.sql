-- title: Median of the followers by year of joining
-- about: The exact median of the follower counts of the posts, by the year in which their users joined, 2015 to 2020.
-- outside: posts of users who joined in other years: SELECT count(*) FROM posts WHERE follower_count IS NOT NULL AND (date_part('year', date_joined) BETWEEN 2015 AND 2020) IS NOT TRUE
-- chart: columns post_year median_follower_count
SELECT
    CAST(date_part('year', date_joined) AS INT) AS post_year,
    median(CAST(follower_count AS DOUBLE)) AS median_follower_count
FROM posts
WHERE follower_count IS NOT NULL AND date_part('year', date_joined) BETWEEN 2015 AND 2020
GROUP BY 1
ORDER BY 1, 2
