-- The words that the reports share. Like the reports, they are written from the data contract and not from the daily
-- batch, so that a mistake in one of the two shows as a difference. Where the contract leaves a choice, it is marked.

-- Choice: 50 is the last age of `36-50`, so `+50` begins with 51.
CREATE MACRO age_group_of(age) AS
    CASE
        WHEN age BETWEEN 18 AND 24 THEN '18-24'
        WHEN age BETWEEN 25 AND 35 THEN '25-35'
        WHEN age BETWEEN 36 AND 50 THEN '36-50'
        WHEN age > 50 THEN '+50'
    END;

-- The two middle values of an odd number of values are the same one. Their sum may not fit into 64 bits, and only the
-- division, which is last, leaves the whole numbers.
-- Choice: where every value is null there is no median, and so no row.
CREATE MACRO exact_median(sorted) AS
    (sorted[(len(sorted) + 1) // 2]::HUGEINT + sorted[len(sorted) // 2 + 1]::HUGEINT) / 2;

-- What every report is made of: the posts that have all three rows.
-- Choice: a year is a year of UTC, whatever zone was posted.
CREATE VIEW posts AS
SELECT
    category,
    poster_name,
    follower_count,
    country,
    year(timestamp) AS timestamp_year,
    user_name,
    age,
    age_group_of(age) AS age_group,
    date_joined,
    year(date_joined) AS join_year
FROM curated_pin
INNER JOIN curated_geo USING (ind)
INNER JOIN curated_user USING (ind);
