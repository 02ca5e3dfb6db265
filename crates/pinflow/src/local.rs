//! `local`: the stack, until Ctrl-C.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use daily_batch::{App, Config, Lake, Stream};
use embedded_aws::{Stack, StackConfig};
use event_model::Clock;
use model::Model;
use tokio_util::sync::CancellationToken;

use crate::cli::{LocalOptions, PackingName};
use crate::daily::Schedule;
use crate::{Exit, Terminal};

/// How long what is under way may take after Ctrl-C; a second one ends the process at once.
const SHUTDOWN_TIME: Duration = Duration::from_secs(5);

/// Keeps the stack up until Ctrl-C, and says how to talk to it.
pub(crate) async fn command(
    options: &LocalOptions,
    model: &Arc<Model>,
    clock: Clock,
    stop: &CancellationToken,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let mut config = StackConfig::new(options.out.clone(), Arc::clone(model));
    config.port = options.port;
    config.api_keys = options.key.resolve()?;
    config.packing = options.packing.map(PackingName::packing);
    let (bucket, stream) = (config.bucket.clone(), config.stream.clone());
    let stack = Stack::start(config, clock.clone()).await?;
    let mut runs = None;
    let schedule = options
        .daily_at
        .map(Schedule::At)
        .or(options.daily_every.map(Schedule::Every));
    if let Some(schedule) = schedule {
        let aws = stack.sdk_config();
        let stream = Stream::from_name(&aws, stream, clock.clone())?;
        let lake = Lake::from_bucket(&aws, &bucket, Arc::clone(model))?;
        let app = App::new(lake, Some(stream), Config::new(&bucket), clock.clone());
        runs = Some(schedule.keep(app, clock));
    }
    let lines = instructions(
        stack.url(),
        stack.endpoint(),
        stack.secret(),
        &options.out,
        &bucket,
    );
    terminal.out.write_all(lines.as_bytes())?;
    terminal.out.flush()?;
    let runs = async {
        match runs {
            Some(runs) => runs.await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        ended = runs => ended?,
    }
    let out = options.out.display();
    match tokio::time::timeout(SHUTDOWN_TIME, stack.shutdown()).await {
        Ok(ended) => ended?,
        Err(_) => writeln!(
            terminal.notes,
            "Requests or batches were still under way after {} s; clients get no answer to such a request, and such a batch is delivered again",
            SHUTDOWN_TIME.as_secs()
        )?,
    }
    writeln!(
        terminal.out,
        "The stack is down; it goes on from {out} when it is started again"
    )?;
    Ok(Exit::Success)
}

/// Version 1 of the AWS CLI reads `AWS_DEFAULT_REGION`, version 2 `AWS_REGION`.
fn instructions(url: &str, endpoint: &str, secret: &str, out: &Path, bucket: &str) -> String {
    let lake = out.join(bucket);
    format!(
        "\
The API is up at {url}, the lake is in {lake}; Ctrl-C ends it

To post rows, in another terminal:
  cargo pinflow post --api {url}

To look at the stream and the bucket with the AWS CLI:
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY={secret} AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
  aws --endpoint-url {endpoint} kinesis list-streams
  aws --endpoint-url {endpoint} s3 ls s3://{bucket} --recursive

",
        lake = lake.display()
    )
}

#[cfg(test)]
mod tests {
    use std::io::empty;
    use std::time::Instant;

    use clap::Parser as _;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpStream;

    use super::*;
    use crate::cli::{Cli, Command};

    #[tokio::test]
    async fn a_client_that_hangs_does_not_keep_the_stack_up() {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let out = folder.path().to_str().unwrap();
        let port_text = port.to_string();
        let cli = ["pinflow", "local", "--out", out, "--port", &port_text];
        let Command::Local(options) = Cli::try_parse_from(cli).unwrap().command else {
            panic!("another command")
        };
        let stop = CancellationToken::new();
        let (mut printed, mut notes) = (Vec::new(), Vec::new());
        let mut terminal = Terminal {
            input: &mut empty(),
            out: &mut printed,
            notes: &mut notes,
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the stack runs in real time here"
        )]
        let clock = Clock::new(std::time::SystemTime::now);
        let client = async {
            let mut socket = loop {
                if let Ok(socket) = TcpStream::connect(("127.0.0.1", port)).await {
                    break socket;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            let half = format!(
                "POST /events/pin HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: 100\r\n\r\n["
            );
            socket.write_all(half.as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
            stop.cancel();
            (socket, Instant::now())
        };
        let model = Model::load_from(None).unwrap();
        let ran = command(&options, &model, clock, &stop, &mut terminal);
        let (exit, (_socket, stopped)) = tokio::join!(ran, client);
        assert_eq!(exit.unwrap(), Exit::Success);
        // The client may take 30 s for its body.
        assert!(stopped.elapsed() < Duration::from_secs(15));
        let notes = String::from_utf8(notes).unwrap();
        assert!(notes.contains("still under way after 5 s"), "{notes}");
    }

    #[test]
    fn the_lines_can_be_pasted() {
        let (url, endpoint) = ("http://127.0.0.1:9000/Dev", "http://127.0.0.1:9000");
        let lines = instructions(url, endpoint, "0123", Path::new("./lake"), "pinflow-lake");
        insta::assert_snapshot!(lines, @r"
        The API is up at http://127.0.0.1:9000/Dev, the lake is in ./lake/pinflow-lake; Ctrl-C ends it

        To post rows, in another terminal:
          cargo pinflow post --api http://127.0.0.1:9000/Dev

        To look at the stream and the bucket with the AWS CLI:
          export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=0123 AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
          aws --endpoint-url http://127.0.0.1:9000 kinesis list-streams
          aws --endpoint-url http://127.0.0.1:9000 s3 ls s3://pinflow-lake --recursive
        ");
    }
}
