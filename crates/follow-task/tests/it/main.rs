//! The follow task as a whole: rules one by one, random runs against a naive model, and the driver.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which the lint does not see"
)]

mod driver;
mod harness;
mod log;
mod many;
mod model;
mod rules;
