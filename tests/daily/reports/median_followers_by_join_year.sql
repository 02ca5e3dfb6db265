-- Choice: the median is over posts, and of any age, also below 18 and null.
SELECT join_year AS post_year, exact_median(list(follower_count ORDER BY follower_count)) AS median_follower_count
FROM posts
WHERE join_year BETWEEN 2015 AND 2020 AND follower_count IS NOT NULL
GROUP BY join_year
