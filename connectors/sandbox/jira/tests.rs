//! Tests of Jira.
