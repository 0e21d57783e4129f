//! SIGHUP: reads the configuration again, takes over what a running server can, and says in the log what needs a restart.
//! Run by [`super::run`]. A configuration that is wrong changes nothing.

use crate::config::{self, Config, Refusal, Typed};
use crate::error::StartupError;
use crate::server::Reloader;

/// What counts now.
#[derive(Clone)]
pub(super) struct Running {
    /// As it was typed at the start: what needs a restart is told as long as it differs from this.
    started: Typed,
    typed: Typed,
    config: Config,
    reloader: Reloader,
}

impl Running {
    /// What the server was started with.
    pub(super) fn new(typed: Typed, config: Config, reloader: Reloader) -> Self {
        Self { started: typed.clone(), typed, config, reloader }
    }

    /// Reads everything again. One after the other, never two at once.
    pub(super) async fn reload(self) -> Self {
        let kept = self.clone();
        tokio::task::spawn_blocking(move || self.read_again()).await.unwrap_or(kept)
    }

    fn read_again(mut self) -> Self {
        let (mut live, mut others) = (Vec::new(), Vec::new());
        match self.settings() {
            Ok((typed, config)) => {
                (live, _) = self.typed.changes(&typed);
                (_, others) = self.started.changes(&typed);
                (self.typed, self.config) = (typed, config);
            }
            Err(error) => log::error!("{error}; the old settings stay"),
        }
        self.reloader.reload(&self.config);
        // Told once they count: whoever reads it may rely on it.
        if !live.is_empty() {
            log::info!("settings taken over: {}", live.join(", "));
        }
        if !others.is_empty() {
            log::warn!("settings that count after a restart: {}", others.join(", "));
        }
        self
    }

    fn settings(&self) -> Result<(Typed, Config), StartupError> {
        let typed = config::typed().map_err(|refusal| match refusal {
            Refusal::File(error) => error,
            Refusal::Usage(error) => StartupError::Config(crate::cli::one_line(&error.to_string())),
        })?;
        let new = Config::from_typed(&typed)?;
        let config = self.config.with_live(&new).map_err(|error| typed.locate(error))?;
        Ok((typed, config))
    }
}
