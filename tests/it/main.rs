//! Tests through the edges of the whole project, in one binary.

mod argue;
mod audit;
mod cli;
mod clocks;
mod contract;
mod customers;
mod demo;
mod e2e;
mod echo;
mod engine;
mod fixture;
mod hostile;
mod kill;
mod play;
mod reliability;
mod run;
mod servicenow;
mod store;
mod tidy;
mod webhooks;
mod zendesk;
