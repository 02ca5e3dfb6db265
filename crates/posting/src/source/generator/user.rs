//! Generated users.

use super::dice::Dice;
use super::dirt;
use super::json::Row;
use super::persona::Persona;

pub(super) fn row(dice: &mut Dice, offset: i64, persona: &Persona, version: u64) -> Row {
    Row::default()
        .with("ind", offset)
        .with("first_name", persona.first_name)
        .with("last_name", persona.last_name)
        .with("age", persona.age.saturating_add_unsigned(version))
        .with(
            "date_joined",
            dirt::respell(dice, persona.date_joined.clone()),
        )
}
