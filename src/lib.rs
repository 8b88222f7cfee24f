//! The imperative shell of dutyd: reads the time, opens connections, stores, and calls the core to decide.

pub mod archive;
pub mod audit;
pub mod backtest;
#[cfg(test)]
mod bare;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
#[cfg(feature = "demo")]
pub mod demo;
pub mod desk;
pub mod engine;
#[cfg(test)]
#[path = "../tests/it/reliability/figure.rs"]
mod figure;
pub mod fit;
pub mod health;
pub mod http;
pub mod metrics;
pub mod notify;
pub mod store;
pub mod systemd;
pub mod webhook;
