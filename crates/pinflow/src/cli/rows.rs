//! The options of the commands that read or print rows: `generate` and `clean`.

use clap::Args;
use event_model::Kind;

use super::DEFAULT_SEED;

#[derive(Debug, Args)]
pub(crate) struct GenerateOptions {
    /// Posts to print; a post is the rows of all tables that have one key
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) posts: u64,
    /// Seed of the rows
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct CleanOptions {
    /// Tell for each row which rule changed which field from what to what, or why it was rejected
    #[arg(long)]
    pub(crate) explain: bool,
    /// The kind that the rows were posted as [default: the kind that their fields decide]
    #[arg(long, value_name = "KIND", value_parser = parse_kind)]
    pub(crate) kind: Option<Kind>,
}

pub(super) fn parse_kind(text: &str) -> Result<Kind, String> {
    text.parse::<Kind>().map_err(|error| error.to_string())
}
