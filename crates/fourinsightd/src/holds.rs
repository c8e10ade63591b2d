//! What keeps the sessions from ending when the daemon stops: conversations with a server that will bring them a
//! login, which would be lost otherwise.

use std::{fmt, sync::Arc};

use tokio::sync::watch;

/// Counts what the sessions wait for before they end.
#[derive(Clone, Default)]
pub struct Holds(Arc<watch::Sender<usize>>);

/// Keeps the sessions from ending until it is dropped.
#[derive(Default)]
pub struct Hold(Option<Holds>);

impl Holds {
    /// Keeps the sessions from ending.
    pub fn hold(&self) -> Hold {
        self.0.send_modify(|count| *count += 1);
        Hold(Some(self.clone()))
    }

    /// Whether nothing keeps them.
    pub fn is_free(&self) -> bool {
        *self.0.borrow() == 0
    }

    /// Completes when nothing keeps them.
    pub fn released(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut count = self.0.subscribe();
        async move {
            // A sender that is gone holds nothing.
            drop(count.wait_for(|count| *count == 0).await);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(holds) = &self.0 {
            holds.0.send_modify(|count| *count -= 1);
        }
    }
}

impl fmt::Debug for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Holds({})", *self.0.borrow())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn they_are_free_when_the_last_one_is_dropped() {
        let holds = Holds::default();
        holds.released().await;
        let (one, other) = (holds.hold(), holds.clone().hold());
        let released = tokio::spawn(holds.released());
        drop(one);
        assert!(!holds.is_free());
        drop(Hold::default());
        drop(other);
        released.await.unwrap();
        assert!(holds.is_free());
    }
}
