//! What `decide` promises, as requirements.
