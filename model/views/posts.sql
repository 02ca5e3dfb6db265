-- about: Posts with their place, time and user, as far as all three are there
-- parts: ind
SELECT pin.ind, unique_id, title, description, follower_count, poster_name, tag_list, is_image_or_video, image_src, save_location, category,
    country, coordinates, "timestamp", user_name, age, date_joined,
    CASE
        WHEN age BETWEEN 18 AND 24 THEN '18-24'
        WHEN age BETWEEN 25 AND 35 THEN '25-35'
        WHEN age BETWEEN 36 AND 50 THEN '36-50'
        WHEN age > 50 THEN '+50'
    END AS age_group
FROM pin
JOIN geo ON geo.ind = pin.ind
JOIN "user" ON "user".ind = pin.ind
