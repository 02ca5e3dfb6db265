-- Different people by the year in which they joined.
-- Choice: a name or an age that is null tells people apart as any other value does. Someone without an age has joined,
-- and two without one who agree in the rest are one. Without `date_joined` there is no year.
-- Choice: only people with a post that has all three rows count, because every report is made of those.
SELECT join_year AS post_year, count(*) AS number_users_joined
FROM (SELECT DISTINCT user_name, age, date_joined, join_year FROM posts)
WHERE join_year BETWEEN 2015 AND 2020
GROUP BY join_year
