//! Tests of ServiceNow.
