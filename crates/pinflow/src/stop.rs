//! The wish that the program end, as Ctrl-C tells it.

use anyhow::Context as _;
use tokio::sync::watch;

/// Tells whether the program is to end. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens to Ctrl-C, once in a process. A second Ctrl-C ends the program where it stands.
    pub(crate) fn on_ctrl_c() -> anyhow::Result<Self> {
        let (sender, receiver) = watch::channel(false);
        let handler = move || {
            if sender.send_replace(true) {
                std::process::exit(130);
            }
        };
        ctrlc::set_handler(handler).context("could not listen to Ctrl-C")?;
        Ok(Self(receiver))
    }

    /// Makes one that `sender` gives.
    #[cfg(test)]
    pub(crate) fn on(sender: &watch::Sender<bool>) -> Self {
        Self(sender.subscribe())
    }

    /// Returns whether it was told.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is told.
    pub(crate) async fn requested(&self) {
        let mut receiver = self.0.clone();
        // Nobody can tell it once the sender is gone.
        if receiver
            .wait_for(|is_requested| *is_requested)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }
}
