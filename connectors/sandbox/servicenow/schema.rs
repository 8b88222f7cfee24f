//! Tables, columns, types and choices of the modelled ServiceNow instance, as its dictionary shows them.
//! Data only; what happens on a write is in `rules.rs`.

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Text,
    Whole,
    Truth,
    Time,
    Duration,
    Journal,
    Choice(&'static [(&'static str, &'static str)]),
    Ref(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    /// The table that defines it, as `sys_dictionary.name` says.
    pub of: &'static str,
}

const STATE: Kind = Kind::Choice(&[
    ("1", "New"),
    ("2", "In Progress"),
    ("3", "On Hold"),
    ("6", "Resolved"),
    ("7", "Closed"),
    ("8", "Canceled"),
]);
const CASE_STATE: Kind = Kind::Choice(&[
    ("1", "New"),
    ("10", "Open"),
    ("18", "Awaiting Info"),
    ("6", "Resolved"),
    ("3", "Closed"),
    ("7", "Cancelled"),
]);
const HOLD: Kind = Kind::Choice(&[
    ("1", "Awaiting Caller"),
    ("3", "Awaiting Problem"),
    ("4", "Awaiting Vendor"),
    ("5", "Awaiting Change"),
]);
const LEVEL: Kind = Kind::Choice(&[("1", "1 - High"), ("2", "2 - Medium"), ("3", "3 - Low")]);
const PRIORITY: Kind = Kind::Choice(&[
    ("1", "1 - Critical"),
    ("2", "2 - High"),
    ("3", "3 - Moderate"),
    ("4", "4 - Low"),
    ("5", "5 - Planning"),
]);
const ESCALATION: Kind = Kind::Choice(&[("0", "Normal"), ("1", "Moderate"), ("2", "High"), ("3", "Overdue")]);
const STAGE: Kind = Kind::Choice(&[
    ("in_progress", "In progress"),
    ("paused", "Paused"),
    ("completed", "Completed"),
    ("cancelled", "Cancelled"),
]);

type Named = &'static [(&'static str, Kind)];

const SYSTEM: Named = &[
    ("sys_id", Kind::Text),
    ("sys_created_on", Kind::Time),
    ("sys_created_by", Kind::Text),
    ("sys_updated_on", Kind::Time),
    ("sys_updated_by", Kind::Text),
    ("sys_mod_count", Kind::Whole),
    ("sys_tags", Kind::Text),
];
const TASK: Named = &[
    ("number", Kind::Text),
    ("sys_class_name", Kind::Text),
    ("short_description", Kind::Text),
    ("description", Kind::Text),
    ("impact", LEVEL),
    ("urgency", LEVEL),
    ("priority", PRIORITY),
    ("active", Kind::Truth),
    ("assigned_to", Kind::Ref("sys_user")),
    ("assignment_group", Kind::Ref("sys_user_group")),
    ("opened_by", Kind::Ref("sys_user")),
    ("opened_at", Kind::Time),
    ("closed_by", Kind::Ref("sys_user")),
    ("closed_at", Kind::Time),
    ("company", Kind::Ref("core_company")),
    ("location", Kind::Ref("cmn_location")),
    ("contact_type", Kind::Text),
    ("escalation", ESCALATION),
    ("made_sla", Kind::Truth),
    ("sla_due", Kind::Time),
    ("reassignment_count", Kind::Whole),
    ("due_date", Kind::Time),
    ("activity_due", Kind::Time),
    ("follow_up", Kind::Time),
    ("work_start", Kind::Time),
    ("work_end", Kind::Time),
    ("parent", Kind::Ref("task")),
    ("cmdb_ci", Kind::Text),
    ("correlation_id", Kind::Text),
    ("correlation_display", Kind::Text),
    ("watch_list", Kind::Text),
    ("work_notes_list", Kind::Text),
    ("additional_assignee_list", Kind::Text),
    ("calendar_duration", Kind::Duration),
    ("business_duration", Kind::Duration),
    ("time_worked", Kind::Duration),
    ("comments", Kind::Journal),
    ("work_notes", Kind::Journal),
    ("comments_and_work_notes", Kind::Journal),
    ("close_notes", Kind::Text),
    ("sys_domain", Kind::Text),
    ("sys_domain_path", Kind::Text),
    ("knowledge", Kind::Truth),
];
const INCIDENT: Named = &[
    ("state", STATE),
    ("incident_state", STATE),
    ("hold_reason", HOLD),
    ("caller_id", Kind::Ref("sys_user")),
    ("category", Kind::Text),
    ("subcategory", Kind::Text),
    ("severity", LEVEL),
    ("close_code", Kind::Text),
    ("reopen_count", Kind::Whole),
    ("reopened_time", Kind::Time),
    ("reopened_by", Kind::Ref("sys_user")),
    ("resolved_at", Kind::Time),
    ("resolved_by", Kind::Ref("sys_user")),
    ("problem_id", Kind::Text),
    ("parent_incident", Kind::Ref("incident")),
    ("child_incidents", Kind::Whole),
    ("rfc", Kind::Text),
    ("caused_by", Kind::Text),
    ("vendor", Kind::Text),
    ("notify", Kind::Text),
    ("calendar_stc", Kind::Whole),
    ("business_stc", Kind::Whole),
    ("u_symptom", Kind::Text),
    ("u_priority_confirmation", Kind::Truth),
    ("u_product", Kind::Text),
];
const CASE: Named = &[
    ("state", CASE_STATE),
    ("account", Kind::Ref("customer_account")),
    ("contact", Kind::Ref("sys_user")),
    ("consumer", Kind::Text),
    ("category", Kind::Choice(&[("0", "Question"), ("1", "Issue"), ("2", "Feature")])),
    ("product", Kind::Text),
    ("contract", Kind::Text),
    ("entitlement", Kind::Text),
    ("partner", Kind::Text),
    ("resolution_code", Kind::Text),
    ("cause", Kind::Text),
    ("probable_cause", Kind::Text),
    ("major_case_state", Kind::Text),
    ("active_escalation", Kind::Text),
    ("active_account_escalation", Kind::Text),
    ("first_response_time", Kind::Time),
    ("follow_the_sun", Kind::Truth),
    ("resolved_at", Kind::Time),
    ("resolved_by", Kind::Ref("sys_user")),
    ("reopen_count", Kind::Whole),
];
/// What an admin creates for dutyd, on `incident` and on `sn_customerservice_case`.
pub const CUSTOM: Named = &[
    ("u_dutyd_severity", Kind::Text),
    ("u_dutyd_why", Kind::Text),
    ("u_dutyd_marks", Kind::Text),
    ("u_dutyd_answer", Kind::Text),
];

const USER: Named = &[
    ("user_name", Kind::Text),
    ("name", Kind::Text),
    ("first_name", Kind::Text),
    ("last_name", Kind::Text),
    ("email", Kind::Text),
    ("active", Kind::Truth),
    ("locked_out", Kind::Truth),
    ("time_zone", Kind::Text),
    ("company", Kind::Ref("core_company")),
    ("web_service_access_only", Kind::Truth),
    ("vip", Kind::Truth),
    ("user_password", Kind::Text),
];
const GROUP: Named = &[
    ("name", Kind::Text),
    ("active", Kind::Truth),
    ("manager", Kind::Ref("sys_user")),
    ("description", Kind::Text),
];
const COMPANY: Named = &[
    ("name", Kind::Text),
    ("customer", Kind::Truth),
    ("country", Kind::Text),
    ("website", Kind::Text),
    ("u_tier", Kind::Text),
];
const ACCOUNT: Named = &[
    ("name", Kind::Text),
    ("number", Kind::Text),
    ("customer", Kind::Truth),
    ("country", Kind::Text),
    ("website", Kind::Text),
    ("u_tier", Kind::Text),
];
const JOURNAL: Named =
    &[("name", Kind::Text), ("element", Kind::Text), ("element_id", Kind::Text), ("value", Kind::Text)];
const AUDIT: Named = &[
    ("tablename", Kind::Text),
    ("fieldname", Kind::Text),
    ("documentkey", Kind::Text),
    ("user", Kind::Text),
    ("oldvalue", Kind::Text),
    ("newvalue", Kind::Text),
    ("record_checkpoint", Kind::Whole),
    ("reason", Kind::Text),
];
const AUDIT_DELETE: Named = &[
    ("tablename", Kind::Text),
    ("documentkey", Kind::Text),
    ("display_value", Kind::Text),
    ("payload", Kind::Text),
    ("user", Kind::Text),
];
const TASK_SLA: Named = &[
    ("task", Kind::Ref("task")),
    ("sla", Kind::Ref("contract_sla")),
    ("stage", STAGE),
    ("active", Kind::Truth),
    ("has_breached", Kind::Truth),
    ("start_time", Kind::Time),
    ("end_time", Kind::Time),
    ("pause_time", Kind::Time),
    ("planned_end_time", Kind::Time),
    ("original_breach_time", Kind::Time),
    ("duration", Kind::Duration),
    ("business_duration", Kind::Duration),
    ("pause_duration", Kind::Duration),
    ("business_pause_duration", Kind::Duration),
    ("time_left", Kind::Duration),
    ("business_time_left", Kind::Duration),
    ("percentage", Kind::Text),
    ("business_percentage", Kind::Text),
    ("schedule", Kind::Text),
    ("timezone", Kind::Text),
];
const CONTRACT_SLA: Named = &[
    ("name", Kind::Text),
    ("collection", Kind::Text),
    ("type", Kind::Text),
    ("target", Kind::Text),
    ("active", Kind::Truth),
    ("duration", Kind::Duration),
    ("schedule", Kind::Text),
    ("schedule_source", Kind::Text),
    ("start_condition", Kind::Text),
    ("stop_condition", Kind::Text),
    ("pause_condition", Kind::Text),
];
const DICTIONARY: Named = &[
    ("name", Kind::Text),
    ("element", Kind::Text),
    ("internal_type", Kind::Text),
    ("reference", Kind::Text),
    ("column_label", Kind::Text),
    ("active", Kind::Truth),
    ("audit", Kind::Truth),
    ("max_length", Kind::Whole),
    ("choice", Kind::Whole),
];
const ROLE: Named = &[("name", Kind::Text), ("description", Kind::Text)];
const HAS_ROLE: Named = &[
    ("user", Kind::Ref("sys_user")),
    ("role", Kind::Ref("sys_user_role")),
    ("state", Kind::Text),
    ("inherited", Kind::Truth),
];
const CHOICE: Named = &[
    ("name", Kind::Text),
    ("element", Kind::Text),
    ("value", Kind::Text),
    ("label", Kind::Text),
    ("language", Kind::Text),
    ("sequence", Kind::Whole),
    ("inactive", Kind::Truth),
];
const MEMBER: Named = &[("user", Kind::Ref("sys_user")), ("group", Kind::Ref("sys_user_group"))];
const ATTACHMENT: Named = &[
    ("file_name", Kind::Text),
    ("content_type", Kind::Text),
    ("size_bytes", Kind::Whole),
    ("table_name", Kind::Text),
    ("table_sys_id", Kind::Text),
    ("download_link", Kind::Text),
];
const TABLE: Named =
    &[("name", Kind::Text), ("label", Kind::Text), ("super_class", Kind::Ref("sys_db_object"))];
/// A tag, and its standing on a record.
const LABEL: Named = &[
    ("name", Kind::Text),
    ("owner", Kind::Ref("sys_user")),
    ("global", Kind::Truth),
    ("active", Kind::Truth),
];
const LABEL_ENTRY: Named = &[
    ("label", Kind::Ref("label")),
    ("table", Kind::Text),
    ("table_key", Kind::Text),
    ("title", Kind::Text),
    ("id_type", Kind::Text),
    ("id_display", Kind::Text),
];
const ITEM: Named = &[("name", Kind::Text), ("sys_class_name", Kind::Text)];
const LOCATION: Named = &[("name", Kind::Text), ("country", Kind::Text)];

/// Name, defining parts, and the columns by whose value rows are found directly.
pub struct Shape {
    pub name: &'static str,
    parts: &'static [(&'static str, Named)],
    pub keys: &'static [&'static str],
}

pub const SHAPES: &[Shape] = &[
    Shape { name: "incident", parts: &[("task", TASK), ("incident", INCIDENT)], keys: &["number"] },
    Shape {
        name: "sn_customerservice_case",
        parts: &[("task", TASK), ("sn_customerservice_case", CASE)],
        keys: &["number"],
    },
    Shape { name: "sys_user", parts: &[("sys_user", USER)], keys: &["user_name", "email", "name"] },
    Shape { name: "sys_user_group", parts: &[("sys_user_group", GROUP)], keys: &["name"] },
    Shape { name: "core_company", parts: &[("core_company", COMPANY)], keys: &["name"] },
    Shape { name: "customer_account", parts: &[("customer_account", ACCOUNT)], keys: &["name"] },
    Shape { name: "cmn_location", parts: &[("cmn_location", LOCATION)], keys: &["name"] },
    Shape { name: "sys_journal_field", parts: &[("sys_journal_field", JOURNAL)], keys: &["element_id"] },
    Shape { name: "sys_audit", parts: &[("sys_audit", AUDIT)], keys: &["documentkey"] },
    Shape { name: "sys_audit_delete", parts: &[("sys_audit_delete", AUDIT_DELETE)], keys: &["documentkey"] },
    Shape { name: "task_sla", parts: &[("task_sla", TASK_SLA)], keys: &["task"] },
    Shape { name: "contract_sla", parts: &[("contract_sla", CONTRACT_SLA)], keys: &["name"] },
    Shape { name: "sys_dictionary", parts: &[("sys_dictionary", DICTIONARY)], keys: &["name"] },
    Shape { name: "sys_user_role", parts: &[("sys_user_role", ROLE)], keys: &["name"] },
    Shape { name: "sys_user_has_role", parts: &[("sys_user_has_role", HAS_ROLE)], keys: &["user"] },
    Shape { name: "sys_choice", parts: &[("sys_choice", CHOICE)], keys: &["element"] },
    Shape { name: "sys_user_grmember", parts: &[("sys_user_grmember", MEMBER)], keys: &["user"] },
    Shape { name: "sys_attachment", parts: &[("sys_attachment", ATTACHMENT)], keys: &["table_sys_id"] },
    Shape { name: "sys_db_object", parts: &[("sys_db_object", TABLE)], keys: &["name"] },
    Shape { name: "label", parts: &[("label", LABEL)], keys: &["name"] },
    Shape { name: "label_entry", parts: &[("label_entry", LABEL_ENTRY)], keys: &["table_key"] },
    Shape { name: "cmdb_ci", parts: &[("cmdb_ci", ITEM)], keys: &["name"] },
    Shape { name: "cmn_department", parts: &[("cmn_department", ITEM)], keys: &["name"] },
    Shape { name: "problem", parts: &[("task", TASK), ("problem", &[])], keys: &["number"] },
    Shape { name: "change_request", parts: &[("task", TASK), ("change_request", &[])], keys: &["number"] },
];

/// Tables beside the modelled ones: their columns stand in no dictionary row.
pub const NEIGHBOURS: &[&str] = &[
    "sys_choice",
    "sys_user_grmember",
    "sys_attachment",
    "sys_db_object",
    "label",
    "label_entry",
    "cmdb_ci",
    "cmn_department",
    "problem",
    "change_request",
];

/// The tables that `task` is the union of.
pub const TASKS: &[&str] = &["incident", "sn_customerservice_case"];

/// A class that extends another and adds no column, and the table in which its records are kept here.
pub const CHILD: &str = "u_outage";
pub const PARENT: &str = "incident";

impl Shape {
    /// Columns in a fixed order, `sys_id` first.
    pub fn columns(&self, custom: bool) -> Vec<Column> {
        let column = |of| move |(name, kind): &(&'static str, Kind)| Column { name, kind: *kind, of };
        let mut columns: Vec<Column> = SYSTEM.iter().map(column(self.name)).collect();
        for (of, named) in self.parts {
            columns.extend(named.iter().map(column(of)));
        }
        if custom && TASKS.contains(&self.name) {
            columns.extend(CUSTOM.iter().map(column(self.name)));
        }
        columns
    }
}

/// Whether a name is a column of `task` itself, so that the union knows it.
pub fn of_task(name: &str) -> bool {
    name == "state" || SYSTEM.iter().chain(TASK).any(|(column, _)| *column == name)
}

/// `sys_dictionary.internal_type` and `.reference`.
pub fn internal_type(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Text => ("string", ""),
        Kind::Whole => ("integer", ""),
        Kind::Truth => ("boolean", ""),
        Kind::Time => ("glide_date_time", ""),
        Kind::Duration => ("glide_duration", ""),
        Kind::Journal => ("journal_input", ""),
        Kind::Choice(_) => ("integer", ""),
        Kind::Ref(table) => ("reference", table),
    }
}
