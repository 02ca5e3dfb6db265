"""Makes rows on the borders of the reports: ties, nulls, first and last years and ages, and many versions."""

import random

# As few values as this in each column give ties in every report.
CATEGORIES = ("art", "Art", "beauty", "Ärger", 'quo"ted', "a, b", None, "", "\N{NO-BREAK SPACE}")
POSTERS = ("Ann", "ann", 'O"Neil, Jr.', "two\nlines", "two\r\nlines", "Žofie", "=1+1", " led", None, "User Info Error")
FOLLOWERS = ("0", "1", "2", "4", "999", "1,234", "10k", "5.6M", "15M", "15000k", 7, None, "User Info Error", "many")
COUNTRIES = (
    "Albania",
    "Cote d'Ivoire",
    "Antarctica (the territory South of 60 deg S)",
    'Korea, "North"',
    "Åland",
    "albania",
    None,
    " ",
)
# The last four fall into another year in UTC than in their own zone, or into none.
TIMES = (
    "{}-01-01 00:00:00",
    "{}-12-31 23:59:59",
    "{}:12:31 23:59:59.999999",
    "{}-06-15T12:00:00Z",
    "{}-12-31T23:30:00-01:00",
    "{}-01-01T00:30:00+01:00",
    "{}-13-01 00:00:00",
    None,
)
AGES = (0, 17, 18, 24, 25, 35, 36, 50, 51, 150, 151, -1, "20", "35.0", 24.5, None, "old")
NAMES = ("Ada", "Zoë", None, "")
ROWS = 2400
INDS = 260
# Of each kind some are missing, so that the join is none of everything.
FIRST_IND = {"pin": 0, "geo": 20, "user": 40}


def awkward_rows(seed):
    """Returns rows in posting order, as (kind, row); the later ones change earlier ones."""
    dice = random.Random(seed)
    return [awkward_row(dice, dice.choice(list(FIRST_IND))) for _ in range(ROWS)]


def awkward_row(dice, kind):
    ind = FIRST_IND[kind] + dice.randrange(INDS)
    if kind == "pin":
        row = {
            "index": ind,
            "unique_id": f"{ind:08}",
            "title": dice.choice(("No Title Data Available", "Ten Hats")),
            "poster_name": dice.choice(POSTERS),
            "follower_count": dice.choice(FOLLOWERS),
            "category": dice.choice(CATEGORIES),
        }
    elif kind == "geo":
        row = {
            "ind": ind,
            "timestamp": moment(dice, 2017, 2023),
            "latitude": dice.choice((-90, 0, 12.5, 91)),
            "longitude": dice.choice((-180.0, 33.25)),
            "country": dice.choice(COUNTRIES),
        }
    else:
        row = {
            "ind": ind,
            "first_name": dice.choice(NAMES),
            "last_name": dice.choice(NAMES),
            "age": dice.choice(AGES),
            "date_joined": moment(dice, 2014, 2021),
        }
    # A field that is missing is null, too; the fields that decide the kind stay.
    keep = ("index", "ind", "unique_id", "latitude", "first_name")
    return kind, {name: value for name, value in row.items() if name in keep or dice.random() < 0.97}


def moment(dice, first, last):
    text = dice.choice(TIMES)
    return text and text.format(dice.randint(first, last))


def versions_at_once(ind):
    """Returns twelve versions of each row of an `ind`, as (partition key, row), to be sent as one.

    They arrive at one moment, so the sequence numbers decide. In an aggregate that is the sub-number, of which 11 comes
    before 9 as text.
    """
    for number in range(12):
        day = f"01-{number + 1:02} 00:00:00"
        yield f"pin/{ind}", {"index": ind, "unique_id": "x", "category": f"c{number}", "follower_count": "3"}
        place = {"latitude": number, "longitude": 0, "country": f"Land {number}"}
        yield f"geo/{ind}", {"ind": ind, "timestamp": f"2020-{day}"} | place
        yield f"user/{ind}", {"ind": ind, "first_name": f"A{number}", "age": 20 + number, "date_joined": f"2016-{day}"}
