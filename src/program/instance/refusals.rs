//! Logs when the store begins to refuse writes, and when it takes them again.

use tokio::sync::watch;

use store::error::Refusal;

/// A follower of a store that logs each change between refusing and taking writes as one line.
#[derive(Debug)]
pub(super) struct Refusals {
    refusals: watch::Receiver<Option<Refusal>>,
    said: Option<Refusal>,
}

impl Refusals {
    /// Creates a follower of a store. That it takes writes counts as said.
    pub(super) fn of(mut refusals: watch::Receiver<Option<Refusal>>) -> Refusals {
        refusals.mark_changed();
        Refusals { refusals, said: None }
    }

    /// Waits until something changes, and logs it. Waits for ever once the store is gone.
    pub(super) async fn next(&mut self) {
        if self.refusals.changed().await.is_err() {
            return std::future::pending().await;
        }
        let now = self.refusals.borrow_and_update().clone();
        match &now {
            Some(Refusal { reason, .. }) if self.said != now => {
                tracing::error!("writes are refused from now on, reads go on: {reason}");
            }
            None if self.said.is_some() => tracing::info!("writes are taken again"),
            _ => {}
        }
        self.said = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::log::LogFormat::Text;
    use crate::program::log::LogLevel;
    use crate::program::log::tests::logged;

    #[test]
    fn each_change_is_said_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let refusal = |reason: &str, passes| Some(Refusal { reason: reason.to_owned(), passes });
        let said = logged(Text, LogLevel::Info, || {
            runtime.block_on(async {
                let store = watch::Sender::new(None);
                let mut refusals = Refusals::of(store.subscribe());
                refusals.next().await;
                for now in
                    [refusal("full", true), refusal("full", true), None, None, refusal("broken", false)]
                {
                    store.send_replace(now);
                    refusals.next().await;
                }
                drop(store);
                tokio::select! {
                    biased;
                    () = refusals.next() => panic!("it says more"),
                    () = std::future::ready(()) => {}
                }
            });
        });
        let refused = "orderflow: writes are refused from now on, reads go on: ";
        assert_eq!(said, format!("{refused}full\norderflow: writes are taken again\n{refused}broken\n"));
    }
}
