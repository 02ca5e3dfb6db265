//! `model`: the files that declare the tables, looked at, written and compared.

mod diff;
mod new;
mod show;

use std::path::Path;

use anyhow::bail;
use model::Model;

use crate::cli::{ModelCommand, ModelOptions};
use crate::quarantine::counted;
use crate::{Exit, Terminal};

/// Runs one of the commands; `folder` is the model's, where one was named.
pub(crate) async fn command(
    options: &ModelOptions,
    folder: Option<&Path>,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    match &options.command {
        ModelCommand::Check => {
            let model = checked(folder).await?;
            writeln!(
                terminal.out,
                "{}, {} and {}: nothing is wrong",
                counted(model.tables().len() as u64, "table", "tables"),
                counted(model.views().len() as u64, "view", "views"),
                counted(model.reports().len() as u64, "report", "reports"),
            )?;
        }
        ModelCommand::Show { table } => {
            let model = Model::load_from(folder)?;
            crate::check_table(&model, *table)?;
            show::write(&model, *table, terminal.out)?;
        }
        ModelCommand::New { table, from } => new::write(folder, *table, from, terminal)?,
        ModelCommand::Diff {
            old,
            new,
            against,
            objects,
            aws,
        } => {
            let models = (Model::load(old)?, checked(Some(new)).await?);
            let bucket = aws_access::Bucket::new(&aws.find().await?, against.clone());
            diff::command(models, &bucket, *objects, terminal).await?;
        }
    }
    Ok(Exit::Success)
}

/// Loads a model and has its queries planned; the error is all that is wrong.
async fn checked(folder: Option<&Path>) -> anyhow::Result<std::sync::Arc<Model>> {
    let model = Model::load_from(folder)?;
    let problems = daily_batch::check_queries(&model).await;
    if !problems.is_empty() {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        bail!(lines.join("\n"));
    }
    Ok(model)
}
