//! Signals: what the text of a message says that rules may read. Texts are matched at intake and never stored.
