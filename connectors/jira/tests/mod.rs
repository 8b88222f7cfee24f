//! Tests of the Jira connector, by part.

mod text;
