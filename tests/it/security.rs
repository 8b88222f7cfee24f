//! Attacks, and that none gets anywhere. Each file says at its head which goals of docs/RELIABILITY.md it shows and by
//! which command; `SECURITY.md` says which wall each stands for.

mod addresses;
mod forged;
mod intake;
mod standing;
mod tls;
