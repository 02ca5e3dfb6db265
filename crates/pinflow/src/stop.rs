//! Ctrl-C, as a token that every part of a command can wait for.

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

/// Returns a token that Ctrl-C cancels; call it once per process. A second Ctrl-C ends the process at once.
pub(crate) fn on_ctrl_c() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let stop = token.clone();
    let handler = move || {
        if stop.is_cancelled() {
            std::process::exit(130);
        }
        stop.cancel();
    };
    ctrlc::set_handler(handler).context("could not listen to Ctrl-C")?;
    Ok(token)
}
