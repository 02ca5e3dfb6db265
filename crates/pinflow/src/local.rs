//! `local`: the stack, until Ctrl-C.

use std::path::Path;

use daily_batch::{App, Config, Lake, Stream};
use embedded_aws::{Stack, StackConfig};
use event_model::Clock;
use tokio_util::sync::CancellationToken;

use crate::cli::LocalOptions;
use crate::daily::Schedule;
use crate::{Exit, Terminal};

/// Keeps the stack up until Ctrl-C, and says how to talk to it.
pub(crate) async fn command(
    options: &LocalOptions,
    clock: Clock,
    stop: &CancellationToken,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let mut config = StackConfig::new(options.out.clone());
    config.port = options.port;
    config.api_keys = options.key.resolve()?;
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
        let lake = Lake::from_bucket(&aws, &bucket)?;
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
    stack.shutdown().await?;
    writeln!(
        terminal.out,
        "The stack is down; it goes on from {} when it is started again",
        options.out.display()
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
    use super::*;

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
