//! The service over the embedded store: what is committed is there after reopening, whatever else happened.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod check;
mod data_streams;
mod model;
mod service;
mod templates;
