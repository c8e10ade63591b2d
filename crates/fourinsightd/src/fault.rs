//! Named points at which a build made for the fault harness can be told to die.
//!
//! Only the feature `fault-points` makes such a build. Its variable `FOURINSIGHT_FAULT` is one of
//!
//! * `abort@NAME:N`: the process ends, with nothing cleaned up, where it comes to the point `NAME` for the `N`th time;
//! * `record@FILE`: each point that it comes to adds a line to `FILE`: the name, and a time in nanoseconds.
//!
//! In every other build the points are nothing at all, and the variable is not read.

#[cfg(feature = "fault-points")]
pub(crate) use points::point;

/// The program has come to this point.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub(crate) fn point(_name: &'static str) {}

#[cfg(feature = "fault-points")]
mod points {
    use std::{
        fs::{File, OpenOptions},
        io::Write as _,
        sync::{
            LazyLock,
            atomic::{AtomicU64, Ordering},
        },
        time::Instant,
    };

    /// What to do at the points.
    enum Order {
        Nothing,
        Abort { name: String, at: u64, seen: AtomicU64 },
        Record { file: File, start: Instant },
    }

    static ORDER: LazyLock<Order> = LazyLock::new(|| {
        let Ok(text) = std::env::var("FOURINSIGHT_FAULT") else { return Order::Nothing };
        order(&text).expect("FOURINSIGHT_FAULT is abort@NAME:N or record@FILE, and the file can be written")
    });

    /// The program has come to this point.
    pub(crate) fn point(name: &'static str) {
        match &*ORDER {
            Order::Nothing => {}
            Order::Abort { name: wanted, at, seen } => {
                if name == wanted && seen.fetch_add(1, Ordering::Relaxed) + 1 == *at {
                    std::process::abort();
                }
            }
            Order::Record { file, start } => {
                let line = format!("{name} {}\n", now().duration_since(*start).as_nanos());
                let mut file = file;
                file.write_all(line.as_bytes()).expect("the record of points can be written");
            }
        }
    }

    fn order(text: &str) -> Option<Order> {
        match text.split_once('@')? {
            ("abort", point) => {
                let (name, at) = point.split_once(':')?;
                Some(Order::Abort { name: name.to_owned(), at: at.parse().ok()?, seen: AtomicU64::new(0) })
            }
            ("record", path) => {
                let file = OpenOptions::new().create(true).append(true).open(path).ok()?;
                Some(Order::Record { file, start: now() })
            }
            _ => None,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "measures how far two points are apart; no token lives by it"
    )]
    fn now() -> Instant {
        Instant::now()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn orders_are_read() {
            let Some(Order::Abort { name, at: 2, .. }) = order("abort@raw_written:2") else {
                panic!("an order to abort")
            };
            assert_eq!(name, "raw_written");
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("points");
            assert!(matches!(order(&format!("record@{}", path.display())), Some(Order::Record { .. })));
            for nonsense in ["", "abort", "abort@x", "abort@x:y", "record@/nowhere/at/all", "sleep@x:1"] {
                assert!(order(nonsense).is_none(), "{nonsense}");
            }
        }
    }
}
