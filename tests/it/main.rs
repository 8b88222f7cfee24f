//! Tests through the edges of the whole project, in one binary.

mod audit;
mod cli;
mod clocks;
mod contract;
mod customers;
mod demo;
mod disk;
mod e2e;
mod echo;
mod engine;
mod fixture;
mod fuzz;
mod hostile;
mod kill;
mod play;
mod power;
mod reliability;
mod rig;
mod run;
mod security;
mod servicenow;
mod shim;
mod store;
mod tidy;
mod webhooks;
mod zendesk;
