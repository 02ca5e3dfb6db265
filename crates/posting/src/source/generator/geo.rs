//! Generated places and times.

use super::dice::Dice;
use super::dirt;
use super::json::{Row, Value};
use super::persona::{self, Persona};

pub(super) fn row(dice: &mut Dice, offset: i64, persona: &Persona) -> Row {
    let timestamp = persona::date_time(dice, 2018, 2022);
    Row::default()
        .with("ind", offset)
        .with("timestamp", dirt::respell(dice, timestamp))
        .with("latitude", Value::Raw(persona.latitude.clone()))
        .with("longitude", Value::Raw(persona.longitude.clone()))
        .with("country", persona.country)
}
