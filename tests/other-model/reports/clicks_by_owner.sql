-- title: Clicks by owner
-- about: Clicks on the boards of an owner.
WITH counted AS (SELECT owner, count(*) AS clicks FROM clicked_boards GROUP BY owner)
SELECT owner, clicks FROM counted ORDER BY 1, 2
