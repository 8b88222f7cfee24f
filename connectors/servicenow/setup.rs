//! What an administrator creates in ServiceNow, as text with copyable steps.
//!
//! Must not know: secrets; it names where they go.

use super::VENDOR;
use super::config::Config;
use super::hook::{SIGNATURE_HEADER, TIMESTAMP_HEADER};
use crate::steps::{answer_field, webhook_secret};

/// The steps, for the tables and columns of this configuration.
pub fn setup(config: &Config, hook_url: &str) -> String {
    let mut text = String::new();
    text.push_str(&format!("ServiceNow: what to create on {}\n", config.origin));
    text.push_str("Sign in as an administrator; everything below is made once.\n\n");
    text.push_str(&account(config));
    text.push_str(&columns(config));
    text.push_str(&access(config));
    text.push_str(&sign_in(config));
    text.push_str(&webhook(config, hook_url));
    text.push_str(&list_view(config));
    text.push_str("7. Check\n   dutyd check --online\n");
    text
}

fn tables(config: &Config) -> Vec<&'static str> {
    config.tables.iter().map(|table| table.name()).collect()
}

fn account(config: &Config) -> String {
    format!(
        "1. Account (System Security > Users and Groups > Users > New)\n\
         \x20  User ID:                 {user}\n\
         \x20  Time zone:               GMT          (queries are read in the account's zone)\n\
         \x20  Web service access only: true         (it can never open a browser session)\n\
         \x20  Roles:                   x_dutyd      (made in step 3), and no other; never admin or itil\n\n",
        user = config.user
    )
}

fn columns(config: &Config) -> String {
    let marks = &config.marks;
    let (answer, optional) = answer_field(&marks.answer, "u_dutyd_answer", VENDOR);
    let mut text = String::from("2. Columns (System Definition > Tables > open the table > Columns > New)\n");
    for table in tables(config) {
        text.push_str(&format!("   on {table}:\n"));
        let mut line = |column: &str, label: &str, kind: &str| {
            text.push_str(&format!("     {column:<20} label \"{label}\", {kind}\n"));
        };
        line(
            &marks.severity,
            "dutyd severity",
            "String, length 40, Choice: none (a column with a choice list cannot be emptied)",
        );
        line(&marks.why, "dutyd why", "String, length 1000");
        line(&marks.flags, "dutyd marks", "String, length 4000 (for dutyd itself; leave it off the form)");
        line(&answer, "dutyd answer", "String, length 100 (people write `ack`, `snooze 4h`, … here)");
    }
    text.push_str(&optional);
    text.push_str(
        "   Columns inherit the table's auditing; check that the attribute no_audit is not set on the first and third:\n\
         \x20  the history of the mark is how dutyd sees that a person took it off.\n\n",
    );
    text
}

fn access(config: &Config) -> String {
    let marks = &config.marks;
    let mut text = String::from(
        "3. Role and access rules (elevate to security_admin)\n\
         \x20  User Administration > Roles > New: x_dutyd, then give it to the account.\n\
         \x20  System Security > Access Control (ACL) > New, type record, active, requires role x_dutyd.\n\
         \x20  \"T.*\" is a rule for all columns of T, beside the rule for its rows.\n",
    );
    let mut rule = |verb: &str, name: &str| text.push_str(&format!("     {verb:<6} {name}\n"));
    for table in &config.tables {
        let name = table.name();
        ["", ".*"].iter().for_each(|columns| rule("read", &format!("{name}{columns}")));
        rule("write", &format!("{name}   (the row rule; without it no column rule is reached)"));
        for column in [&*marks.severity, &marks.why, &marks.flags, "work_notes"] {
            rule("write", &format!("{name}.{column}"));
        }
    }
    for table in ["sys_journal_field", "sys_audit", "sys_audit_delete"] {
        ["", ".*"].iter().for_each(|columns| rule("read", &format!("{table}{columns}")));
    }
    let people = ["sys_user", "sys_user_group", "core_company", "customer_account"];
    let measured = ["sys_dictionary", "sys_user_role", "sys_user_has_role", "sys_script"];
    people.into_iter().chain(measured).for_each(|table| rule("read", table));
    text.push_str(
        "   The last four serve `dutyd check --online` only. The role audit_viewer may stand in for the rules on\n\
         \x20  sys_journal_field and sys_audit. Give no create and no delete rule: dutyd does neither. Columns without a\n\
         \x20  write rule of their own fall under the row rule: keep one for T.* that asks for your agents' role.\n\n",
    );
    text
}

fn sign_in(config: &Config) -> String {
    match &config.sign_in {
        super::SignInConfig::Basic { password } => format!(
            "4. Password\n\
             \x20  Set a long random password on the account and store it as the secret {:?}.\n\
             \x20  Where Basic authentication is restricted, web-service-only accounts stay allowed.\n\n",
            password.0
        ),
        super::SignInConfig::Oauth { client_id, client_secret } => format!(
            "4. OAuth client (System OAuth > Application Registry > New > endpoint for external clients)\n\
             \x20  Client ID: {client_id}; OAuth application user: {user}; grant: client credentials.\n\
             \x20  System property glide.oauth.inbound.client.credential.grant_type.enabled = true.\n\
             \x20  Store the client secret as the secret {:?}.\n\n",
            client_secret.0,
            user = config.user
        ),
    }
}

fn webhook(config: &Config, hook_url: &str) -> String {
    let (secret, written) = webhook_secret(&config.webhook_secrets, "servicenow-webhook");
    let mut text = format!(
        "5. Business rule (System Definition > Business Rules > New, advanced), so that a change is seen at once;\n\
         \x20  without it dutyd polls and is later, never wrong.\n\
         \x20  System properties first (sys_properties.list > New):\n\
         \x20    dutyd.webhook.url     string     {hook_url}\n\
         \x20    dutyd.webhook.secret  password2  a long random text, stored for dutyd as the secret {secret:?}\n{written}"
    );
    for table in tables(config) {
        text.push_str(&format!(
            "   Rule \"dutyd hint ({table})\": table {table}, when async, insert and update, active, order 1000.\n\
             \x20    Filter: Updated by  is not  {user}   (our own marks need no bell)\n",
            user = config.user
        ));
    }
    text.push_str("   Script, the same for every table:\n\n");
    text.push_str(&script());
    text.push_str("\n   For deletions a second rule per table: when after, delete, the same script.\n\n");
    text
}

/// Vendor: `generateMac` takes the key in base64 and answers in base64 (c_GlideCertificateEncryptionAPI).
fn script() -> String {
    format!(
        r#"(function executeRule(current) {{
    var secret = gs.getProperty('dutyd.webhook.secret');
    var url = gs.getProperty('dutyd.webhook.url');
    if (!secret || !url) {{ return; }}
    var body = JSON.stringify({{
        table: String(current.getTableName()),
        sys_id: String(current.getUniqueValue()),
        number: String(current.getValue('number') || ''),
        sys_mod_count: String(current.getValue('sys_mod_count') || ''),
        sys_updated_on: String(current.getValue('sys_updated_on') || ''),
        sys_updated_by: String(current.getValue('sys_updated_by') || ''),
        event_id: String(gs.generateGUID())
    }});
    var seconds = String(Math.floor(new GlideDateTime().getNumericValue() / 1000));
    var key = GlideStringUtil.base64Encode(secret);
    var mac = new GlideCertificateEncryption().generateMac(key, 'HmacSHA256', seconds + '.' + body);
    try {{
        var message = new sn_ws.RESTMessageV2();
        message.setEndpoint(url);
        message.setHttpMethod('post');
        message.setHttpTimeout(5000);
        message.setRequestHeader('Content-Type', 'application/json');
        message.setRequestHeader('{TIMESTAMP_HEADER}', seconds);
        message.setRequestHeader('{SIGNATURE_HEADER}', 'sha256=' + mac);
        message.setRequestBody(body);
        var status = message.execute().getStatusCode();
        if (status < 200 || status > 299) {{ gs.warn('dutyd hint answered ' + status); }}
    }} catch (problem) {{
        gs.warn('dutyd hint not sent: ' + problem);
    }}
}})(current);
"#
    )
}

fn list_view(config: &Config) -> String {
    let marks = &config.marks;
    let mut text = String::from("6. List of flagged cases (a module or a shared filter), worst first\n");
    for table in tables(config) {
        text.push_str(&format!(
            "   {origin}/{table}_list.do?sysparm_query=active=true%5E{severity}INcandidate,critical%5EORDERBYDESC{severity}\n",
            origin = config.origin.trim_end_matches('/'),
            severity = marks.severity
        ));
    }
    text.push_str(&format!(
        "   The same by hand: Active is true, {0} is one of candidate, critical; sorted by {0}, z to a (critical comes first).\n\
         \x20  Show the columns Number, Short description, {0}, {1}, Assigned to.\n\n",
        marks.severity, marks.why
    ));
    text
}
