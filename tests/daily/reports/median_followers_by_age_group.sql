-- Choice: the median is over posts, not over different posters or people.
SELECT age_group, exact_median(list(follower_count ORDER BY follower_count)) AS median_follower_count
FROM posts
WHERE age_group IS NOT NULL AND follower_count IS NOT NULL
GROUP BY age_group
