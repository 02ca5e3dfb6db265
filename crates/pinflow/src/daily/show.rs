//! `daily show`: the attempts of a day, and its page.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use daily_batch::{App, Lake, page_key};
use jiff::civil::Date;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt as _};

use super::table;
use crate::{Exit, Terminal};

/// Writes the attempts of a run date, and saves its page; with `open` a browser shows it.
pub(super) async fn show(
    app: &App,
    lake: &Lake,
    date: Date,
    open: bool,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let attempts = app.ledger().attempts(date).await?;
    let Some(last) = attempts.last() else {
        bail!("there was no run of {date}; `pinflow daily runs` lists those that were");
    };
    writeln!(terminal.out, "{}", table::run(last))?;
    for step in &last.steps {
        if let Some(error) = &step.error {
            writeln!(terminal.out, "The step {} failed: {error}", step.name)?;
        }
    }
    if let Some(error) = &last.error {
        writeln!(terminal.out, "The run failed: {error}")?;
    }
    let key = page_key(date);
    let page = match lake.store().get(&Path::from(key.as_str())).await {
        Ok(object) => object.bytes().await,
        Err(Error::NotFound { .. }) => {
            writeln!(terminal.out, "There is no page of {date} yet")?;
            return Ok(Exit::Failure);
        }
        Err(error) => Err(error),
    };
    let page = page.with_context(|| format!("could not read `{key}`"))?;
    let path = save(&page, &format!("pinflow-{date}-"))?;
    writeln!(terminal.out, "The page is in {}", path.display())?;
    if open {
        open::that_detached(&path)
            .with_context(|| format!("could not open {} in a browser", path.display()))?;
    }
    Ok(Exit::Success)
}

/// Saves a page where its owner alone can read it, under a name that nobody can guess.
fn save(page: &[u8], prefix: &str) -> anyhow::Result<PathBuf> {
    let write = || -> io::Result<PathBuf> {
        let mut file = tempfile::Builder::new()
            .prefix(prefix)
            .suffix(".html")
            .tempfile()?;
        file.write_all(page)?;
        Ok(file.into_temp_path().keep()?)
    };
    write().context("could not write the page to a temporary file")
}
