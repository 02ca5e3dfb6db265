mod properties;
mod rejections;
mod unread;
mod values;

use event_model::Kind;
use serde_json::{Value, json};

use super::*;
