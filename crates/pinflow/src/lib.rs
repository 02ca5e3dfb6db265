#![doc = include_str!("../README.md")]

mod announced;
mod bill;
mod clean;
mod cleaner;
pub mod cli;
mod daily;
mod declare;
mod demo;
mod generate;
mod import;
mod lake_options;
mod local;
mod plain;
mod post;
mod progress;
pub mod proxy;
mod quarantine;
mod refetch;
mod restore;
mod stop;
mod table;
#[cfg(test)]
mod test_stack;

use std::io::{BufRead, ErrorKind, IsTerminal as _, Write, stderr, stdin, stdout};
use std::process::ExitCode;

use anyhow::ensure;
use event_model::{Clock, Kind};
use model::Model;

use cli::{Cli, Command};
use plain::{Output, Plain};

/// What a command reads from and writes to.
struct Terminal<'a> {
    /// Where rows come from.
    input: &'a mut dyn BufRead,
    /// What was asked for.
    out: &'a mut dyn Write,
    /// Everything else that a person should see.
    notes: &'a mut dyn Write,
}

/// How a command ended, when nothing kept it from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Everything that was asked for was done.
    Success,
    /// Something of it was not, and was reported.
    Failure,
    /// Ctrl-C ended it early.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => Self::SUCCESS,
            Exit::Failure => Self::FAILURE,
            // What a shell reports for a program that Ctrl-C ended.
            Exit::Interrupted => Self::from(130),
        }
    }
}

/// Returns where a command writes to: what a terminal shows is text alone.
fn shown(to: impl Write + 'static, is_terminal: bool) -> Box<dyn Write> {
    if is_terminal {
        Box::new(Plain(to))
    } else {
        Box::new(Output(to))
    }
}

/// Runs a command on the process's own input and output; a failure goes to standard error.
pub async fn run(cli: Cli, clock: Clock) -> ExitCode {
    let mut notes = shown(stderr(), stderr().is_terminal());
    let mut out = shown(stdout(), stdout().is_terminal() && !cli.command.is_raw());
    let mut terminal = Terminal {
        input: &mut stdin().lock(),
        out: &mut out,
        notes: &mut notes,
    };
    match run_command(cli, clock, &mut terminal).await {
        Ok(exit) => exit.into(),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nowhere left to report that standard error is closed.
            let _ = writeln!(notes, "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_command(cli: Cli, clock: Clock, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
    let folder = cli.model.as_deref();
    // Its commands say themselves what is wrong with the files.
    if let Command::Model(options) = &cli.command {
        return Box::pin(declare::command(options, folder, terminal)).await;
    }
    let model = &Model::load_from(folder)?;
    match cli.command {
        Command::Demo(options) => {
            demo::command(&options, model, clock, &stop::on_ctrl_c()?, terminal).await
        }
        Command::Local(options) => {
            local::command(&options, model, clock, &stop::on_ctrl_c()?, terminal).await
        }
        Command::Post(options) => {
            Box::pin(post::command(
                &options,
                model,
                clock,
                &stop::on_ctrl_c()?,
                terminal,
            ))
            .await
        }
        Command::Generate(options) => generate::command(&options, model, terminal),
        Command::Clean(options) => clean::command(&options, model, terminal),
        // AWS clients make large futures; each would be part of every command's.
        Command::Import(options) => {
            Box::pin(import::command(
                &options,
                model,
                &stop::on_ctrl_c()?,
                terminal,
            ))
            .await
        }
        Command::Refetch(options) => {
            Box::pin(refetch::command(&options, model, clock, terminal)).await
        }
        Command::Restore(options) => Box::pin(restore::command(&options, model, terminal)).await,
        Command::Cost(options) => Box::pin(bill::command(&options, model, terminal)).await,
        Command::Daily(options) => daily::command(&options, model, clock, terminal).await,
        // Done above, without a model.
        Command::Model(_) => Ok(Exit::Success),
        Command::Quarantine(options) => {
            Box::pin(quarantine::command(&options, model, clock, terminal)).await
        }
    }
}

/// Makes sure that the model has a table.
fn check_table(model: &Model, kind: Kind) -> anyhow::Result<()> {
    ensure!(
        model.table(kind).is_some(),
        "there is no table `{kind}` in the model; a table is {}",
        model.names()
    );
    Ok(())
}

/// Returns whether the reader of the output has gone away, as `head` does when it has its lines.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let cause = error.chain().find_map(|cause| cause.downcast_ref());
    cause.is_some_and(|error: &std::io::Error| error.kind() == ErrorKind::BrokenPipe)
}
