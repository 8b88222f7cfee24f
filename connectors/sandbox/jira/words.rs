//! The words of a site: statuses, priorities, types, transitions, fields. Ids are the vendor's own where it ships them.

pub struct Word {
    pub id: &'static str,
    pub name: &'static str,
}

/// Statuses with their category: `new`, `indeterminate`, `done`.
pub const STATUSES: &[(Word, &str)] = &[
    (Word { id: "1", name: "Open" }, "new"),
    (Word { id: "3", name: "In Progress" }, "indeterminate"),
    (Word { id: "10001", name: "Waiting for support" }, "indeterminate"),
    (Word { id: "10002", name: "Waiting for customer" }, "indeterminate"),
    (Word { id: "10003", name: "Pending" }, "indeterminate"),
    (Word { id: "5", name: "Resolved" }, "done"),
    (Word { id: "6", name: "Closed" }, "done"),
];
pub const OPEN: usize = 0;
pub const WAITING_FOR_SUPPORT: usize = 2;
pub const WAITING_FOR_CUSTOMER: usize = 3;
pub const PENDING: usize = 4;
pub const RESOLVED: usize = 5;
pub const CLOSED: usize = 6;

/// Most urgent first: the position is the order in a search.
pub const PRIORITIES: &[Word] = &[
    Word { id: "1", name: "Highest" },
    Word { id: "2", name: "High" },
    Word { id: "3", name: "Medium" },
    Word { id: "4", name: "Low" },
    Word { id: "5", name: "Lowest" },
];

pub const TYPES: &[Word] = &[
    Word { id: "10010", name: "[System] Incident" },
    Word { id: "10011", name: "[System] Service request" },
    Word { id: "10012", name: "Task" },
    Word { id: "10013", name: "Bug" },
];

/// Transitions lead from every status to each of these: id, name, status.
pub const TRANSITIONS: &[(&str, &str, usize)] = &[
    ("11", "Reopen", OPEN),
    ("21", "Start progress", 1),
    ("31", "Respond to support", WAITING_FOR_SUPPORT),
    ("41", "Respond to customer", WAITING_FOR_CUSTOMER),
    ("51", "Pend", PENDING),
    ("61", "Resolve this issue", RESOLVED),
    ("71", "Close", CLOSED),
];

pub const ORGANIZATIONS: &str = "customfield_10002";
pub const REQUEST_TYPE: &str = "customfield_10010";
pub const TIME_TO_RESOLUTION: &str = "customfield_10020";
pub const TIME_TO_FIRST_RESPONSE: &str = "customfield_10030";
pub const FLAGGED: &str = "customfield_10021";
pub const TIER: &str = "customfield_10070";
pub const PRODUCT: &str = "customfield_10071";

/// Custom fields: id, name, schema type, schema custom.
pub const CUSTOM_FIELDS: &[(&str, &str, &str, &str)] = &[
    (ORGANIZATIONS, "Organizations", "array", "com.atlassian.servicedesk:sd-customer-organizations"),
    (REQUEST_TYPE, "Request Type", "sd-customerrequesttype", "com.atlassian.servicedesk:vp-origin"),
    (
        TIME_TO_RESOLUTION,
        "Time to resolution",
        "sd-servicelevelagreement",
        "com.atlassian.servicedesk:sd-sla-field",
    ),
    (
        TIME_TO_FIRST_RESPONSE,
        "Time to first response",
        "sd-servicelevelagreement",
        "com.atlassian.servicedesk:sd-sla-field",
    ),
    (FLAGGED, "Flagged", "array", "com.atlassian.jira.plugin.system.customfieldtypes:multicheckboxes"),
    (TIER, "Customer tier", "option", "com.atlassian.jira.plugin.system.customfieldtypes:select"),
    (PRODUCT, "Product", "option", "com.atlassian.jira.plugin.system.customfieldtypes:select"),
];

/// System fields: id, name, schema type.
pub const SYSTEM_FIELDS: &[(&str, &str, &str)] = &[
    ("summary", "Summary", "string"),
    ("status", "Status", "status"),
    ("priority", "Priority", "priority"),
    ("issuetype", "Issue Type", "issuetype"),
    ("project", "Project", "project"),
    ("labels", "Labels", "array"),
    ("assignee", "Assignee", "user"),
    ("reporter", "Reporter", "user"),
    ("creator", "Creator", "user"),
    ("created", "Created", "datetime"),
    ("updated", "Updated", "datetime"),
    ("resolutiondate", "Resolved", "datetime"),
    ("resolution", "Resolution", "resolution"),
    ("duedate", "Due date", "date"),
    ("issuelinks", "Linked Issues", "array"),
    ("components", "Components", "array"),
    ("description", "Description", "string"),
    ("attachment", "Attachment", "array"),
    ("comment", "Comment", "comments-page"),
    ("subtasks", "Sub-tasks", "array"),
    ("worklog", "Log Work", "array"),
];
