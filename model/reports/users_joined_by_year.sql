-- title: Users joined by year
-- about: Different people, told apart by name, age and date of joining, by the year in which they joined, 2015 to 2020.
-- outside: people who joined in other years: SELECT count(*) FROM (SELECT DISTINCT user_name, age, date_joined FROM posts WHERE (date_part('year', date_joined) BETWEEN 2015 AND 2020) IS NOT TRUE)
-- chart: columns post_year number_users_joined
WITH people AS (
    SELECT DISTINCT user_name, age, date_joined
    FROM posts
    WHERE date_part('year', date_joined) BETWEEN 2015 AND 2020
)
SELECT CAST(date_part('year', date_joined) AS INT) AS post_year, count(*) AS number_users_joined
FROM people
GROUP BY 1
ORDER BY 1, 2
