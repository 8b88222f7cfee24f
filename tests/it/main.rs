//! Tests through the edges of the whole project, in one binary.

mod contract;
mod engine;
mod fixture;
mod servicenow;
mod store;
