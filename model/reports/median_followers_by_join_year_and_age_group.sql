-- title: Median of the followers by year of joining and age group
-- about: The exact median of the follower counts of the posts, by age group and by the year in which their users joined, 2015 to 2020.
-- outside: posts of users below 18, or who joined in other years: SELECT count(*) FROM posts WHERE follower_count IS NOT NULL AND (age >= 18 AND date_part('year', date_joined) BETWEEN 2015 AND 2020) IS NOT TRUE
-- chart: lines post_year median_follower_count age_group
-- order: 18-24, 25-35, 36-50, +50
SELECT
    CASE
        WHEN age BETWEEN 18 AND 24 THEN '18-24'
        WHEN age BETWEEN 25 AND 35 THEN '25-35'
        WHEN age BETWEEN 36 AND 50 THEN '36-50'
        ELSE '+50'
    END AS age_group,
    CAST(date_part('year', date_joined) AS INT) AS post_year,
    median(CAST(follower_count AS DOUBLE)) AS median_follower_count
FROM posts
WHERE age >= 18 AND follower_count IS NOT NULL AND date_part('year', date_joined) BETWEEN 2015 AND 2020
GROUP BY 1, 2
ORDER BY 1, 2, 3
