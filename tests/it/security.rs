//! Attacks, and that none gets anywhere. Each file says at its head which goals of docs/RELIABILITY.md it shows and by
//! which command; `SECURITY.md` says which wall each stands for.

mod addresses;
mod canary;
mod decisions;
mod forged;
mod injection;
mod intake;
mod privilege;
mod sockets;
pub mod standing;
mod tls;
