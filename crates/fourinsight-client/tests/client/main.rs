//! Both clients against a scripted server on a real socket.
#![cfg(test)]
#![cfg(unix)]

mod asynchronous;
mod autostart;
mod blocking;
mod failures;
mod fork;
mod scripted;
mod trust;
