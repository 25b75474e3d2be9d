//! The service over the embedded store: what is committed is there after reopening, whatever else happened.

mod model;
mod service;
