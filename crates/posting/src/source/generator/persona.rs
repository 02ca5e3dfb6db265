//! Who posts: the same poster has the same name, followers, place and age in all of their rows.

use super::dice::{Dice, Purpose};
use super::vocabulary::{COUNTRIES, EMOJI, FIRST_NAMES, LAST_NAMES, STUDIO_SORTS, STUDIOS};

/// A poster.
#[derive(Clone, Debug)]
pub(super) struct Persona {
    pub(super) poster_name: String,
    /// As the site shows it: `306`, `10k`, `5.6M`.
    pub(super) follower_count: String,
    pub(super) first_name: &'static str,
    pub(super) last_name: &'static str,
    pub(super) age: i64,
    pub(super) date_joined: String,
    /// In degrees, with a decimal part.
    pub(super) latitude: String,
    pub(super) longitude: String,
    pub(super) country: &'static str,
}

impl Persona {
    /// Returns the poster of a row. Two rows in three are of someone new; the others favour the oldest posters.
    pub(super) fn of_row(seed: u64, number: u64) -> Self {
        let mut dice = Dice::new(seed, Purpose::Author, number);
        let index = if dice.per_mille(680) {
            number
        } else {
            let older = dice.low(number + 1);
            dice.below(older + 1)
        };
        Self::new(seed, index)
    }

    fn new(seed: u64, index: u64) -> Self {
        let mut dice = Dice::new(seed, Purpose::Persona, index);
        let country = dice.low(COUNTRIES.len() as u64);
        Self {
            poster_name: poster_name(&mut dice),
            follower_count: follower_count(&mut dice),
            first_name: dice.pick(&FIRST_NAMES),
            last_name: dice.pick(&LAST_NAMES),
            age: age(&mut dice),
            date_joined: date_time(&mut dice, 2015, 2020),
            latitude: degrees(&mut dice, 90),
            longitude: degrees(&mut dice, 180),
            country: usize::try_from(country)
                .ok()
                .and_then(|index| COUNTRIES.get(index))
                .copied()
                .unwrap_or_default(),
        }
    }
}

fn poster_name(dice: &mut Dice) -> String {
    let (studio, sort) = (dice.pick(&STUDIOS), dice.pick(&STUDIO_SORTS));
    let mut name = format!("{studio} {sort}");
    if dice.per_mille(15) {
        name = format!("{name} {}", dice.pick(&EMOJI));
    }
    if dice.per_mille(12) {
        name.push(' ');
    }
    name
}

/// Returns a count as the site shows it; also used for the followers of a newer version of a row.
pub(super) fn follower_count(dice: &mut Dice) -> String {
    match dice.below(1000) {
        0..730 => format!("{}k", 1 + dice.low(900)),
        730..900 => dice.below(1000).to_string(),
        900..970 => format!("{}M", 1 + dice.low(12)),
        970..984 => format!("{}.{}M", 1 + dice.low(9), dice.between(1, 9)),
        984..992 => format!("{}.{}k", dice.between(1, 9), dice.between(1, 9)),
        992..998 => format!("{},{:03}", dice.between(1, 9), dice.below(1000)),
        _ => format!("{}B", dice.between(1, 2)),
    }
}

/// Most posters are young.
fn age(dice: &mut Dice) -> i64 {
    let years = i64::try_from(dice.low(44)).unwrap_or_default();
    if dice.per_mille(30) {
        13 + years % 5
    } else {
        18 + years
    }
}

/// Returns a date and time of a year from `first` to `last`, as the database prints it.
pub(super) fn date_time(dice: &mut Dice, first: i64, last: i64) -> String {
    let (year, month, day) = (
        dice.between(first, last),
        dice.between(1, 12),
        dice.between(1, 28),
    );
    let (hour, minute, second) = (dice.below(24), dice.below(60), dice.below(60));
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

fn degrees(dice: &mut Dice, limit: u64) -> String {
    let sign = if dice.one_in(2) { "-" } else { "" };
    format!("{sign}{}.{:04}", dice.below(limit), 1 + dice.below(9999))
}
