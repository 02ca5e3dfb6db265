-- title: Budget by owner
-- about: What the boards of an owner may cost.
-- chart: bars owner budget
SELECT owner, sum(budget) AS budget, count(*) AS boards FROM board GROUP BY owner ORDER BY 1, 2, 3
