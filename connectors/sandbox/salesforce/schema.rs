//! Which objects the org has, with their fields: names, types, what may be filtered, sorted and written.
//! Knows shapes only; rows are in `store.rs`, rules in `rules.rs`.
// Vendor: object reference, one page per object; custom fields are those `dutyd setup salesforce` describes and two of the org's own.

/// Kind of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Id,
    /// A reference, to one of these objects.
    Ref(&'static [&'static str]),
    Text(usize),
    /// Neither filterable nor sortable.
    LongText(usize),
    Picklist(&'static [&'static str]),
    Bool,
    DateTime,
    Number,
    /// A value of history: any type, not filterable.
    Any,
}

#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    /// May be given on create, changed on update.
    pub createable: bool,
    pub updateable: bool,
}

pub struct Shape {
    pub name: &'static str,
    pub prefix: &'static str,
    pub fields: &'static [Field],
    /// The column that orders its changes.
    pub stamp: &'static str,
    /// The reference to the record it belongs to.
    pub parent: Option<&'static str>,
    /// Child relationships: name, object, its column.
    pub children: &'static [(&'static str, &'static str, &'static str)],
    pub write: Write,
}

/// What the API lets anybody do with an object's rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Write {
    Nothing,
    CreateAndUpdate,
    All,
}

const fn fixed(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, createable: false, updateable: false }
}

const fn open(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, createable: true, updateable: true }
}

const fn once(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, createable: true, updateable: false }
}

pub const STATUSES: &[(&str, bool)] = &[
    ("New", false),
    ("Working", false),
    ("Waiting on Customer", false),
    ("On Hold", false),
    ("Escalated", false),
    ("Resolved", false),
    ("Closed", true),
];
const STATUS_WORDS: &[&str] =
    &["New", "Working", "Waiting on Customer", "On Hold", "Escalated", "Resolved", "Closed"];
const PRIORITIES: &[&str] = &["Critical", "High", "Medium", "Low"];
const ORIGINS: &[&str] = &["Email", "Phone", "Web"];
const TYPES: &[&str] = &["Problem", "Question", "Feature Request"];
const REASONS: &[&str] = &["Installation", "Performance", "Breakdown", "Other"];
const TIERS: &[&str] = &["Gold", "Silver", "Bronze"];
pub const SEVERITIES: &[&str] = &["watch", "warning", "candidate", "critical"];

const USER: Kind = Kind::Ref(&["User"]);
const OWNER: Kind = Kind::Ref(&["User", "Group"]);

const CASE: &[Field] = &[
    fixed("Id", Kind::Id),
    fixed("IsDeleted", Kind::Bool),
    fixed("MasterRecordId", Kind::Ref(&["Case"])),
    fixed("CaseNumber", Kind::Text(30)),
    open("ContactId", Kind::Ref(&["Contact"])),
    open("AccountId", Kind::Ref(&["Account"])),
    open("ParentId", Kind::Ref(&["Case"])),
    open("EntitlementId", Kind::Ref(&["Entitlement"])),
    open("SuppliedName", Kind::Text(80)),
    open("SuppliedEmail", Kind::Text(80)),
    open("SuppliedPhone", Kind::Text(40)),
    open("SuppliedCompany", Kind::Text(80)),
    open("Type", Kind::Picklist(TYPES)),
    open("Status", Kind::Picklist(STATUS_WORDS)),
    open("Reason", Kind::Picklist(REASONS)),
    open("Origin", Kind::Picklist(ORIGINS)),
    open("Subject", Kind::Text(255)),
    open("Priority", Kind::Picklist(PRIORITIES)),
    open("Description", Kind::LongText(32_000)),
    fixed("IsClosed", Kind::Bool),
    fixed("ClosedDate", Kind::DateTime),
    open("IsEscalated", Kind::Bool),
    open("OwnerId", OWNER),
    fixed("IsClosedOnCreate", Kind::Bool),
    fixed("CreatedDate", Kind::DateTime),
    fixed("CreatedById", USER),
    fixed("LastModifiedDate", Kind::DateTime),
    fixed("LastModifiedById", USER),
    fixed("SystemModstamp", Kind::DateTime),
    fixed("ContactEmail", Kind::Text(80)),
    open("Comments", Kind::LongText(4_000)),
    open("Product__c", Kind::Text(120)),
    open("External_Id__c", Kind::Text(255)),
    open("Dutyd_Severity__c", Kind::Picklist(SEVERITIES)),
    open("Dutyd_Why__c", Kind::LongText(1_000)),
    open("Dutyd_Marks__c", Kind::LongText(4_000)),
    open("Dutyd_Answer__c", Kind::Text(100)),
];

const COMMENT: &[Field] = &[
    fixed("Id", Kind::Id),
    once("ParentId", Kind::Ref(&["Case"])),
    open("IsPublished", Kind::Bool),
    open("CommentBody", Kind::LongText(4_000)),
    fixed("CreatedById", USER),
    fixed("CreatedDate", Kind::DateTime),
    fixed("LastModifiedById", USER),
    fixed("LastModifiedDate", Kind::DateTime),
    fixed("SystemModstamp", Kind::DateTime),
    fixed("IsDeleted", Kind::Bool),
];

const EMAIL: &[Field] = &[
    fixed("Id", Kind::Id),
    once("ParentId", Kind::Ref(&["Case"])),
    once("Incoming", Kind::Bool),
    once("Status", Kind::Picklist(&["0", "1", "2", "3", "4", "5"])),
    once("FromAddress", Kind::Text(1_333)),
    once("FromName", Kind::Text(1_000)),
    once("ToAddress", Kind::Text(4_000)),
    once("CcAddress", Kind::Text(4_000)),
    once("Subject", Kind::Text(3_000)),
    once("TextBody", Kind::LongText(32_000)),
    once("HtmlBody", Kind::LongText(32_000)),
    fixed("HasAttachment", Kind::Bool),
    open("IsExternallyVisible", Kind::Bool),
    once("MessageIdentifier", Kind::Text(765)),
    once("MessageDate", Kind::DateTime),
    fixed("CreatedById", USER),
    fixed("CreatedDate", Kind::DateTime),
    fixed("LastModifiedById", USER),
    fixed("LastModifiedDate", Kind::DateTime),
    fixed("SystemModstamp", Kind::DateTime),
    fixed("IsDeleted", Kind::Bool),
];

const HISTORY: &[Field] = &[
    fixed("Id", Kind::Id),
    fixed("IsDeleted", Kind::Bool),
    fixed("CaseId", Kind::Ref(&["Case"])),
    fixed("CreatedById", USER),
    fixed("CreatedDate", Kind::DateTime),
    fixed("Field", Kind::Text(255)),
    fixed("DataType", Kind::Text(40)),
    fixed("OldValue", Kind::Any),
    fixed("NewValue", Kind::Any),
];

const MILESTONE: &[Field] = &[
    fixed("Id", Kind::Id),
    fixed("CaseId", Kind::Ref(&["Case"])),
    fixed("MilestoneTypeId", Kind::Ref(&["MilestoneType"])),
    open("StartDate", Kind::DateTime),
    fixed("TargetDate", Kind::DateTime),
    open("CompletionDate", Kind::DateTime),
    fixed("IsCompleted", Kind::Bool),
    fixed("IsViolated", Kind::Bool),
    fixed("IsDeleted", Kind::Bool),
    fixed("CreatedDate", Kind::DateTime),
    fixed("LastModifiedDate", Kind::DateTime),
    fixed("SystemModstamp", Kind::DateTime),
];

const USERS: &[Field] = &[
    fixed("Id", Kind::Id),
    fixed("Username", Kind::Text(80)),
    fixed("Name", Kind::Text(121)),
    fixed("FirstName", Kind::Text(40)),
    fixed("LastName", Kind::Text(80)),
    fixed("Email", Kind::Text(128)),
    fixed("Alias", Kind::Text(8)),
    fixed("IsActive", Kind::Bool),
    fixed("UserType", Kind::Text(40)),
    fixed("TimeZoneSidKey", Kind::Text(40)),
    fixed("ContactId", Kind::Ref(&["Contact"])),
    fixed("CreatedDate", Kind::DateTime),
    fixed("LastModifiedDate", Kind::DateTime),
    fixed("SystemModstamp", Kind::DateTime),
];

const GROUP: &[Field] = &[
    fixed("Id", Kind::Id),
    fixed("Name", Kind::Text(40)),
    fixed("DeveloperName", Kind::Text(80)),
    fixed("Type", Kind::Text(40)),
    fixed("Email", Kind::Text(255)),
    fixed("CreatedDate", Kind::DateTime),
    fixed("LastModifiedDate", Kind::DateTime),
    fixed("SystemModstamp", Kind::DateTime),
];

const ACCOUNT: &[Field] = &[
    fixed("Id", Kind::Id),
    fixed("IsDeleted", Kind::Bool),
    open("Name", Kind::Text(255)),
    open("Website", Kind::Text(255)),
    open("BillingCountry", Kind::Text(80)),
    open("Tier__c", Kind::Picklist(TIERS)),
    open("External_Id__c", Kind::Text(255)),
    open("OwnerId", USER),
    fixed("CreatedDate", Kind::DateTime),
    fixed("LastModifiedDate", Kind::DateTime),
    fixed("SystemModstamp", Kind::DateTime),
];

const CONTACT: &[Field] = &[
    fixed("Id", Kind::Id),
    fixed("IsDeleted", Kind::Bool),
    open("AccountId", Kind::Ref(&["Account"])),
    open("FirstName", Kind::Text(40)),
    open("LastName", Kind::Text(80)),
    fixed("Name", Kind::Text(121)),
    open("Email", Kind::Text(80)),
    fixed("CreatedDate", Kind::DateTime),
    fixed("LastModifiedDate", Kind::DateTime),
    fixed("SystemModstamp", Kind::DateTime),
];

const ENTITLEMENT: &[Field] = &[
    fixed("Id", Kind::Id),
    fixed("Name", Kind::Text(255)),
    fixed("AccountId", Kind::Ref(&["Account"])),
    fixed("Status", Kind::Text(40)),
    fixed("Type", Kind::Text(40)),
    fixed("CreatedDate", Kind::DateTime),
    fixed("LastModifiedDate", Kind::DateTime),
    fixed("SystemModstamp", Kind::DateTime),
];

const CASE_STATUS: &[Field] = &[
    fixed("Id", Kind::Id),
    fixed("ApiName", Kind::Text(255)),
    fixed("MasterLabel", Kind::Text(255)),
    fixed("IsClosed", Kind::Bool),
    fixed("IsDefault", Kind::Bool),
    fixed("SortOrder", Kind::Number),
    fixed("SystemModstamp", Kind::DateTime),
];

const ORGANIZATION: &[Field] = &[
    fixed("Id", Kind::Id),
    fixed("Name", Kind::Text(80)),
    fixed("OrganizationType", Kind::Text(40)),
    fixed("IsSandbox", Kind::Bool),
    fixed("TimeZoneSidKey", Kind::Text(40)),
    fixed("SystemModstamp", Kind::DateTime),
];

const MILESTONE_TYPE: &[Field] =
    &[fixed("Id", Kind::Id), fixed("Name", Kind::Text(80)), fixed("SystemModstamp", Kind::DateTime)];

const PERMISSION_SET: &[Field] = &[
    fixed("Id", Kind::Id),
    fixed("Name", Kind::Text(80)),
    fixed("PermissionsModifyAllData", Kind::Bool),
    fixed("PermissionsViewAllData", Kind::Bool),
    fixed("PermissionsManageUsers", Kind::Bool),
    fixed("SystemModstamp", Kind::DateTime),
];

const PERMISSION_SET_ASSIGNMENT: &[Field] = &[
    fixed("Id", Kind::Id),
    fixed("PermissionSetId", Kind::Ref(&["PermissionSet"])),
    fixed("AssigneeId", USER),
    fixed("SystemModstamp", Kind::DateTime),
];

const fn shape(
    name: &'static str,
    prefix: &'static str,
    fields: &'static [Field],
    parent: Option<&'static str>,
    write: Write,
) -> Shape {
    Shape { name, prefix, fields, stamp: "SystemModstamp", parent, children: &[], write }
}

const CASE_CHILDREN: &[(&str, &str, &str)] = &[
    ("CaseComments", "CaseComment", "ParentId"),
    ("EmailMessages", "EmailMessage", "ParentId"),
    ("Histories", "CaseHistory", "CaseId"),
    ("CaseMilestones", "CaseMilestone", "CaseId"),
    ("Cases", "Case", "ParentId"),
];

pub const SHAPES: &[Shape] = &[
    Shape { children: CASE_CHILDREN, ..shape("Case", "500", CASE, None, Write::All) },
    shape("CaseComment", "00a", COMMENT, Some("ParentId"), Write::All),
    shape("EmailMessage", "02s", EMAIL, Some("ParentId"), Write::All),
    Shape { stamp: "CreatedDate", ..shape("CaseHistory", "017", HISTORY, Some("CaseId"), Write::Nothing) },
    shape("CaseMilestone", "555", MILESTONE, Some("CaseId"), Write::CreateAndUpdate),
    shape("MilestoneType", "557", MILESTONE_TYPE, None, Write::Nothing),
    shape("User", "005", USERS, None, Write::Nothing),
    shape("Group", "00G", GROUP, None, Write::Nothing),
    Shape {
        children: &[("Cases", "Case", "AccountId"), ("Contacts", "Contact", "AccountId")],
        ..shape("Account", "001", ACCOUNT, None, Write::All)
    },
    Shape {
        children: &[("Cases", "Case", "ContactId")],
        ..shape("Contact", "003", CONTACT, None, Write::All)
    },
    shape("Entitlement", "550", ENTITLEMENT, None, Write::Nothing),
    shape("CaseStatus", "3J7", CASE_STATUS, None, Write::Nothing),
    shape("Organization", "00D", ORGANIZATION, None, Write::Nothing),
    shape("PermissionSet", "0PS", PERMISSION_SET, None, Write::Nothing),
    shape("PermissionSetAssignment", "0Pa", PERMISSION_SET_ASSIGNMENT, None, Write::Nothing),
];

/// Fields that an administrator makes for dutyd.
pub fn is_dutyd(name: &str) -> bool {
    name.starts_with("Dutyd_")
}

/// The field that carries another system's key, and the fields by whose value a record can be addressed.
pub const EXTERNAL_ID: &str = "External_Id__c";
pub fn is_lookup(name: &str) -> bool {
    matches!(name, "Id" | "CaseNumber" | EXTERNAL_ID)
}

/// Fields whose changes are kept in the history. Vendor: of long text only the fact of the change is kept.
pub const TRACKED: &[&str] =
    &["Status", "Priority", "OwnerId", "IsEscalated", "Dutyd_Severity__c", "Dutyd_Answer__c"];

/// The name of the record that a reference leads to: `OwnerId` is followed by `Owner`, `X__c` by `X__r`.
pub fn relationship(field: &str) -> Option<String> {
    match field.strip_suffix("__c") {
        Some(stem) => Some(format!("{stem}__r")),
        None => field.strip_suffix("Id").filter(|stem| !stem.is_empty()).map(str::to_owned),
    }
}
