//! The ten reports of the day.

use super::spread;
use crate::{Cell, Chart, ReportTable};

const CATEGORIES: [&str; 13] = [
    "art",
    "beauty",
    "christmas",
    "diy-and-crafts",
    "education",
    "event-planning",
    "finance",
    "home-decor",
    "mens-fashion",
    "quotes",
    "tattoos",
    "travel",
    "vehicles",
];
const AGE_GROUPS: [&str; 4] = ["+50", "18-24", "25-35", "36-50"];
const COUNTRIES: [&str; 28] = [
    "Afghanistan",
    "Albania",
    "Algeria",
    "American Samoa",
    "Andorra",
    "Angola",
    "Anguilla",
    "Antarctica (the territory South of 60 deg S)",
    "Antigua and Barbuda",
    "Argentina",
    "Armenia",
    "Aruba",
    "Australia",
    "Azerbaijan",
    "Bangladesh",
    "Bouvet Island (Bouvetoya)",
    "British Indian Ocean Territory (Chagos Archipelago)",
    "Burkina Faso",
    "Cocos (Keeling) Islands",
    "Colombia",
    "Cote d'Ivoire",
    "Croatia",
    "Dominican Republic",
    "French Southern Territories",
    "Isle of Man",
    "Lesotho",
    "Saint Kitts and Nevis",
    "日本",
];

fn pick<'a>(from: &[&'a str], number: u64) -> &'a str {
    from[usize::try_from(spread(number, from.len() as u64)).unwrap()]
}

fn integer(value: u64) -> Cell {
    Cell::Integer(i64::try_from(value).unwrap())
}

fn text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

fn report(
    name: &str,
    title: &str,
    description: &str,
    chart: Chart,
    columns: &[&str],
    rows: Vec<Vec<Cell>>,
) -> ReportTable {
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    ReportTable {
        title: title.to_owned(),
        description: description.to_owned(),
        chart,
        ..ReportTable::of_rows(name, columns, rows)
    }
}

fn bars(label: &str, value: &str) -> Chart {
    Chart::Bars {
        label: label.to_owned(),
        value: value.to_owned(),
    }
}

fn columns(label: &str, value: &str, series: Option<&str>) -> Chart {
    Chart::Columns {
        label: label.to_owned(),
        value: value.to_owned(),
        series: series.map(str::to_owned),
    }
}

fn lines(label: &str, value: &str, series: Option<&str>) -> Chart {
    Chart::Lines {
        label: label.to_owned(),
        value: value.to_owned(),
        series: series.map(str::to_owned),
    }
}

/// Returns the ten reports.
pub(in crate::page::tests) fn reports() -> Vec<ReportTable> {
    let mut reports = by_country();
    reports.extend(by_year());
    reports.extend(by_age());
    reports
}

fn by_country() -> Vec<ReportTable> {
    let followers = |number: u64| {
        [812, 30_500, 5_600_000, 94_000, 1_100_000, 410]
            [usize::try_from(spread(number, 6)).unwrap()]
            + number
    };
    let popular = |number: u64| {
        vec![
            text(COUNTRIES[usize::try_from(number).unwrap()]),
            text(pick(&CATEGORIES, number)),
            integer(40 + spread(number, 260)),
        ]
    };
    let top_user = |number: u64| {
        let poster = [
            "Style Me Pretty",
            "Домашний уют 🏡",
            "<b>Mini & Me</b>",
            "Wanderlust\u{a0}",
        ][usize::try_from(number % 4).unwrap()];
        vec![
            text(COUNTRIES[usize::try_from(number).unwrap()]),
            text(poster),
            integer(followers(number)),
        ]
    };
    vec![
        report(
            "top_category_by_country",
            "Most popular category of each country",
            "Posts of the category with the most posts in each country; ties are all listed.",
            bars("country", "category_count"),
            &["country", "category", "category_count"],
            (0..28).map(popular).collect(),
        ),
        report(
            "top_user_by_country",
            "Most followed poster of each country",
            "Followers of the poster who has the most.",
            bars("country", "follower_count"),
            &["country", "poster_name", "follower_count"],
            (0..28).map(top_user).collect(),
        ),
        report(
            "country_of_top_user",
            "Country of the most followed poster",
            "The highest of the countries' most followed posters.",
            Chart::None,
            &["country", "follower_count"],
            vec![vec![text("Australia"), integer(5_600_012)]],
        ),
    ]
}

fn by_year() -> Vec<ReportTable> {
    let mut counts = Vec::new();
    for year in 2018..=2022 {
        for (number, category) in CATEGORIES.iter().enumerate() {
            let number = number as u64;
            counts.push(vec![
                integer(year),
                text(category),
                integer(300 + spread(number, 400) + spread(year * 31 + number, 150)),
            ]);
        }
    }
    let top = |year: u64| {
        vec![
            integer(year),
            text(pick(&CATEGORIES, year)),
            integer(620 + spread(year, 200)),
        ]
    };
    let joined = |year: u64| vec![integer(year), integer(12_000 + spread(year, 9_000))];
    let median = |year: u64| {
        vec![
            integer(year),
            Cell::Float(30_000.5 + f64::from(u32::try_from(spread(year, 20_000)).unwrap())),
        ]
    };
    vec![
        report(
            "category_count_by_year",
            "Posts per category and year",
            "Posts of each category, by the year of the post.",
            lines("post_year", "category_count", Some("category")),
            &["post_year", "category", "category_count"],
            counts,
        ),
        report(
            "top_category_by_year",
            "Most popular category of each year",
            "Posts of the year's most popular category.",
            columns("post_year", "category_count", None),
            &["post_year", "category", "category_count"],
            (2018..=2022).map(top).collect(),
        ),
        report(
            "users_joined_by_year",
            "People who joined each year",
            "Different people, by the year in which they joined.",
            columns("post_year", "number_users_joined", None),
            &["post_year", "number_users_joined"],
            (2015..=2020).map(joined).collect(),
        ),
        report(
            "median_followers_by_join_year",
            "Median followers by year of joining",
            "The median of the posters' followers.",
            lines("post_year", "median_follower_count", None),
            &["post_year", "median_follower_count"],
            (2015..=2020).map(median).collect(),
        ),
    ]
}

fn by_age() -> Vec<ReportTable> {
    let mut both = Vec::new();
    for (number, group) in AGE_GROUPS.iter().enumerate() {
        for year in 2015..=2020 {
            let median = if number == 3 && year == 2017 {
                Cell::Null
            } else {
                integer(8_000 + 9_000 * number as u64 + spread(year + number as u64, 30_000))
            };
            both.push(vec![text(group), integer(year), median]);
        }
    }
    let top = |(number, group): (usize, &&str)| {
        vec![
            text(group),
            text(pick(&CATEGORIES, number as u64)),
            integer(900 + spread(number as u64, 700)),
        ]
    };
    let median = |(number, group): (usize, &&str)| {
        vec![
            text(group),
            Cell::Float(12_000.5 * f64::from(u32::try_from(number).unwrap() + 1)),
        ]
    };
    vec![
        report(
            "top_category_by_age_group",
            "Most popular category of each age group",
            "Posts of the age group's most popular category.",
            columns("age_group", "category_count", None),
            &["age_group", "category", "category_count"],
            AGE_GROUPS.iter().enumerate().map(top).collect(),
        ),
        report(
            "median_followers_by_age_group",
            "Median followers by age group",
            "The median of the posters' followers.",
            bars("age_group", "median_follower_count"),
            &["age_group", "median_follower_count"],
            AGE_GROUPS.iter().enumerate().map(median).collect(),
        ),
        report(
            "median_followers_by_join_year_and_age_group",
            "Median followers by year of joining and age group",
            "The median of the posters' followers.",
            columns("post_year", "median_follower_count", Some("age_group")),
            &["age_group", "post_year", "median_follower_count"],
            both,
        ),
    ]
}
