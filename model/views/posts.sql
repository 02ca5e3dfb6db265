-- about: Posts with their place, time and user, as far as all three are there
-- parts: ind
SELECT pin.ind, unique_id, title, description, follower_count, poster_name, tag_list, is_image_or_video, image_src, save_location, category,
    country, coordinates, "timestamp", user_name, age, date_joined
FROM pin
JOIN geo ON geo.ind = pin.ind
JOIN "user" ON "user".ind = pin.ind
