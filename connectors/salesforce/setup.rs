//! What an administrator creates in Salesforce, as text with copyable steps.
//!
//! Must not know: secrets; it names where they go.

use super::VENDOR;
use super::config::{Config, SignInConfig};
use crate::steps::answer_field;

/// The steps, for the fields of this configuration. There is no webhook: this source is polled.
pub fn setup(config: &Config, _hook_url: &str) -> String {
    [
        header(config),
        fields(config),
        permissions(config),
        account(config),
        app(config),
        list_view(config),
        care(),
    ]
    .concat()
}

fn header(config: &Config) -> String {
    format!(
        "Salesforce: what to create in {}\n\
         Sign in as an administrator; everything below is made once, in Setup.\n\n",
        config.origin
    )
}

fn fields(config: &Config) -> String {
    let marks = &config.marks;
    let line = |name: &str, label: &str, kind: &str| {
        format!("     {:<20} label \"{label}\", {kind}\n", name.trim_end_matches("__c"))
    };
    let mut text = String::from("1. Fields (Object Manager > Case > Fields & Relationships > New)\n");
    text.push_str(&line(
        &marks.severity,
        "dutyd severity",
        "Picklist: watch, warning, candidate, critical; restricted to these values",
    ));
    text.push_str(&line(&marks.why, "dutyd why", "Text Area (Long), length 1000"));
    text.push_str(&line(
        &marks.flags,
        "dutyd marks",
        "Text Area (Long), length 4000 (for dutyd itself; leave it off the layouts)",
    ));
    let (answer, optional) = answer_field(&marks.answer, "Dutyd_Answer__c", VENDOR);
    let kind = "Text, length 100 (people write `ack`, `snooze 4h`, … here)";
    text.push_str(&line(&answer, "dutyd answer", kind));
    text.push_str(&optional);
    text.push_str(
        "   Put severity and why on the page layouts that agents see. Let agents edit severity: emptying it dismisses a flag.\n\
         \x20  Set History Tracking (same page): Status, Priority, Case Owner, dutyd severity,\n\
         \x20  and dutyd answer where there is one.\n\
         \x20  The history is how dutyd sees who changed what; what is not tracked is not on the timeline.\n\n",
    );
    text
}

fn permissions(config: &Config) -> String {
    let marks = &config.marks;
    let (severity, why, flags) = (&marks.severity, &marks.why, &marks.flags);
    format!(
        "2. Permission set (Users > Permission Sets > New), name \"dutyd\", and nothing else for the account\n\
         \x20  System permissions:  API Enabled, API Only User\n\
         \x20  Object Case:         Read, Edit, View All Records      (no Create, no Delete, no Modify All)\n\
         \x20  Object Account, Contact: Read\n\
         \x20  Field access on Case, edit:  {severity}, {why}, {flags}\n\
         \x20  Field access on Case, read:  every other field that the configuration names\n\
         \x20  Edit on Case carries the right to write case comments, which dutyd needs for its private notes.\n\n"
    )
}

fn account(config: &Config) -> String {
    format!(
        "3. User (Users > New)\n\
         \x20  Username:  {}\n\
         \x20  License:   Salesforce Integration; profile \"Minimum Access - API Only Integrations\"\n\
         \x20  Time zone: GMT\n\
         \x20  Assign the permission set of step 2.\n\n",
        config.user
    )
}

fn app(config: &Config) -> String {
    let head = "4. External client app (External Client App Manager > New), OAuth on, scope `api`\n";
    let rest = match &config.sign_in {
        SignInConfig::ClientCredentials { client_id, client_secret } => format!(
            "   Flow: client credentials, run as the user of step 3.\n\
             \x20  Consumer key:    {client_id}\n\
             \x20  Consumer secret: store it as the secret {:?}.\n",
            client_secret.0
        ),
        SignInConfig::JwtBearer { client_id, private_key, audience } => format!(
            "   Flow: JWT bearer. Make a key pair and upload the certificate:\n\
             \x20    openssl req -x509 -newkey rsa:2048 -nodes -days 730 -subj /CN=dutyd -keyout dutyd.key -out dutyd.crt\n\
             \x20  Consumer key: {client_id}; audience: {audience}; store dutyd.key as the secret {:?}.\n\
             \x20  Policies: admin-approved users are pre-authorized; select the permission set of step 2.\n",
            private_key.0
        ),
    };
    format!("{head}{rest}\x20  It signs in at the org's own host, never at login.salesforce.com.\n\n")
}

fn list_view(config: &Config) -> String {
    let severity = &config.marks.severity;
    format!(
        "5. List view of flagged cases (Cases > list view controls > New), visible to all agents\n\
         \x20  Name: Flagged by dutyd\n\
         \x20  Filters: Closed equals False, dutyd severity equals candidate, critical\n\
         \x20  Columns: Case Number, Subject, dutyd severity, dutyd why, Case Owner; sort by dutyd severity, descending\n\
         \x20  (a picklist sorts in the order of its values, so the order of step 1 puts critical first)\n\
         \x20  The same as a question: SELECT CaseNumber, Subject, {severity} FROM Case WHERE IsClosed = false \
         AND {severity} IN ('candidate','critical')\n\n"
    )
}

fn care() -> String {
    "6. Native automation\n\
     \x20  Escalation rules (Setup > Escalation Rules): an entry that counts \"based on last modification time of case\" is\n\
     \x20  restarted by our marks. Let it count from case creation, or switch the rule off.\n\
     \x20  Assignment rules do not run on our writes. Flows and triggers that run on every update of a case do; let them\n\
     \x20  pass over updates by this user.\n\n\
     7. Check\n   dutyd check --online\n"
        .to_owned()
}
