//! The clients against a scripted server on a real socket.
#![cfg(test)]
#![cfg(unix)]

#[cfg(feature = "tokio")]
mod asynchronous;
mod autostart;
mod blocking;
mod callers;
mod failures;
mod fork;
mod scripted;
mod trust;
