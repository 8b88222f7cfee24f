//! Tests through the edges of the whole project, in one binary.

mod cli;
mod contract;
mod customers;
mod engine;
mod fixture;
mod kill;
mod play;
mod run;
mod servicenow;
mod store;
mod tidy;
mod zendesk;
