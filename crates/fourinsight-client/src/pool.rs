//! Kept-alive connections, shared by a client's clones but never by two processes.
//!
//! A call takes a connection out for its whole duration, so one that waits delays no other. After a fork the child
//! finds a fresh, empty place of its own: neither its parent's connections nor its parent's locks, one of which
//! another thread may have held at the fork and which nobody in the child would ever release.

use std::{
    mem, process,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

/// How many idle connections are kept.
const MOST_IDLE: usize = 16;

/// The idle connections of a client, by process.
pub(crate) struct Pool<C> {
    first: InProcess<C>,
    inherited: fn(Vec<C>),
}

/// The idle connections of one process.
pub(crate) struct InProcess<C> {
    process: u32,
    idle: Mutex<Vec<C>>,
    starting: Mutex<()>,
    child: OnceLock<Box<Self>>,
}

impl<C> Pool<C> {
    /// An empty pool. `inherited` gets rid of a parent's connections in a forked child, which must not disturb them.
    pub(crate) fn new(inherited: fn(Vec<C>)) -> Self {
        Self { first: InProcess::new(process::id()), inherited }
    }

    /// This process's part.
    pub(crate) fn here(&self) -> &InProcess<C> {
        self.of(process::id())
    }

    fn of(&self, process: u32) -> &InProcess<C> {
        let mut part = &self.first;
        while part.process != process {
            part = part.child.get_or_init(|| {
                // Were it locked, then by a thread that does not exist here: its connections stay where they are.
                if let Ok(mut idle) = part.idle.try_lock() {
                    (self.inherited)(mem::take(&mut idle));
                }
                Box::new(InProcess::new(process))
            });
        }
        part
    }
}

impl<C> InProcess<C> {
    fn new(process: u32) -> Self {
        Self { process, idle: Mutex::default(), starting: Mutex::default(), child: OnceLock::new() }
    }

    /// Takes out the connection used last among those that fit.
    pub(crate) fn take(&self, fits: impl Fn(&C) -> bool) -> Option<C> {
        let mut idle = lock(&self.idle);
        let at = idle.iter().rposition(fits)?;
        Some(idle.remove(at))
    }

    /// Keeps a connection for the next call.
    pub(crate) fn put(&self, connection: C) {
        let mut idle = lock(&self.idle);
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }

    /// Closes every idle connection: the daemon that they led to is gone.
    pub(crate) fn clear(&self) {
        let closed = mem::take(&mut *lock(&self.idle));
        drop(closed);
    }

    /// Held by the thread that starts the daemon, so that others of this process wait for it instead of joining in.
    pub(crate) fn starting(&self) -> MutexGuard<'_, ()> {
        lock(&self.starting)
    }
}

/// Nothing that these locks guard is left half done by a panic, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_used_last_is_taken_first_and_only_so_many_are_kept() {
        let pool = Pool::new(drop);
        for connection in 0..MOST_IDLE + 5 {
            pool.here().put(connection);
        }
        assert_eq!(pool.here().take(|_| true), Some(MOST_IDLE - 1));
        assert_eq!(pool.here().take(|number| number % 2 == 0), Some(MOST_IDLE - 2));
        pool.here().clear();
        assert_eq!(pool.here().take(|_| true), None);
    }

    #[test]
    fn another_process_finds_none_of_these_connections_even_when_they_are_locked() {
        let pool = Pool::new(drop);
        pool.here().put(1);
        let held = pool.here().idle.lock().unwrap();
        let child = pool.of(process::id() + 1);
        assert_eq!(child.take(|_| true), None);
        child.put(2);
        let grandchild = pool.of(process::id() + 2);
        assert_eq!(grandchild.take(|_| true), None);
        drop(held);
        assert_eq!(pool.here().take(|_| true), Some(1));
        assert_eq!(child.take(|_| true), None, "a child's connections are dropped in its own child");
    }
}
