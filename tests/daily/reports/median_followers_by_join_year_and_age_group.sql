-- Choice: the median is over posts; a group without any in a year has no row for it.
SELECT
    age_group,
    join_year AS post_year,
    exact_median(list(follower_count ORDER BY follower_count)) AS median_follower_count
FROM posts
WHERE age_group IS NOT NULL AND join_year BETWEEN 2015 AND 2020 AND follower_count IS NOT NULL
GROUP BY age_group, join_year
