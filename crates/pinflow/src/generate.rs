//! `generate`: the rows that `demo` and `post` post, for checks that do not want to trust them.

use std::io::{BufWriter, Write};
use std::sync::Arc;

use model::Model;
use posting::source::generator::Generator;

use crate::cli::GenerateOptions;
use crate::{Exit, Terminal};

/// Prints the rows of a number of posts, one per line, in posting order.
pub(crate) fn command(
    options: &GenerateOptions,
    model: &Arc<Model>,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let mut out = BufWriter::new(&mut *terminal.out);
    let mut generator = Generator::new(Arc::clone(model), options.seed);
    for _ in 0..options.posts {
        for row in generator.next_post().rows {
            out.write_all(&row.json)?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()?;
    Ok(Exit::Success)
}
