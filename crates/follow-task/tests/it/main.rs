//! The follow task as a whole: rules one by one, random runs against a naive model, and the driver.

mod driver;
mod harness;
mod model;
mod rules;
