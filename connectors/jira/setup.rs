//! What an administrator creates in Jira, as text with copyable steps.
//!
//! Must not know: secrets; it names where they go.

use super::config::{Config, Flavour, Notes, SignInConfig};
use crate::steps::webhook_secret;
use dutyd_core::action::Severity;

/// The steps, for this configuration. `hook_url`: where webhooks go.
pub fn setup(config: &Config, hook_url: &str) -> String {
    let mut text = format!("Jira: what to create on {}\n", config.base_url);
    text.push_str("Sign in as an administrator; everything below is made once.\n\n");
    text.push_str(&account(config));
    text.push_str(&rights(config));
    text.push_str(&screens());
    text.push_str(&webhook(config, hook_url));
    text.push_str(&filter(config));
    text.push_str("6. Check\n   dutyd check --online\n");
    text
}

fn account(config: &Config) -> String {
    match &config.sign_in {
        SignInConfig::ApiToken { email, token } => format!(
            "1. Account and token\n\
             \x20  Make an account for dutyd alone (admin.atlassian.com > Directory > Users): {email}\n\
             \x20  Product access: Jira; for Service Management projects also Jira Service Management as an agent,\n\
             \x20  because only agents see and write internal comments.\n\
             \x20  Signed in as that account: id.atlassian.com/manage-profile/security/api-tokens > Create API token.\n\
             \x20  With scopes: read:jira-work, write:jira-work, read:jira-user; then base_url is\n\
             \x20    https://api.atlassian.com/ex/jira/CLOUD-ID, where CLOUD-ID stands in https://SITE.atlassian.net/_edge/tenant_info,\n\
             \x20    and site_url is https://SITE.atlassian.net.\n\
             \x20  Put the token into the secret `{secret}`. It ends after at most a year: note the day.\n\n",
            secret = token.0
        ),
        SignInConfig::PersonalAccessToken { token } => format!(
            "1. Account and token\n\
             \x20  Make a user for dutyd alone (Administration > User management > Create user); for Service Management\n\
             \x20  projects add it to jira-servicedesk-users, because only agents see and write internal comments.\n\
             \x20  Signed in as that user: Profile > Personal Access Tokens > Create token.\n\
             \x20  Put the token into the secret `{secret}`.\n\n",
            secret = token.0
        ),
    }
}

fn rights(config: &Config) -> String {
    let projects = if config.projects.is_empty() {
        "every project to watch".to_owned()
    } else {
        config.projects.join(", ")
    };
    format!(
        "2. Permissions, in the permission scheme of {projects}\n\
         \x20  Browse Projects, Edit Issues, Add Comments: to the account, by a role such as `dutyd`.\n\
         \x20  Nothing else: no Administer, no Delete, no Transition, no Assign.\n\n"
    )
}

fn screens() -> String {
    "3. Labels on the edit screen\n\
     \x20  Jira refuses an edit of a field that is not on the edit screen. Project settings > Screens > edit issue:\n\
     \x20  `Labels` must be there, in Service Management too. Marks are the labels dutyd and dutyd-<severity>;\n\
     \x20  people dismiss by removing the severity's label, and answer with dutyd-ack, dutyd-escalated,\n\
     \x20  dutyd-snooze-4h or dutyd-worse.\n\n"
        .to_owned()
}

fn webhook(config: &Config, hook_url: &str) -> String {
    let filter = super::pull::scope(config);
    let proposed = match config.flavour {
        Flavour::Cloud => "jira-webhook",
        Flavour::DataCenter => "jira-dc-webhook",
    };
    let (secret, written) = webhook_secret(&config.webhook_secrets, proposed);
    let events = r#"["jira:issue_created","jira:issue_updated","jira:issue_deleted","comment_created","comment_updated","comment_deleted"]"#;
    let (path, body) = match config.flavour {
        Flavour::Cloud => (
            "/rest/webhooks/1.0/webhook",
            format!(
                "{{\"name\":\"dutyd\",\"url\":\"{hook_url}\",\"events\":{events},\"filters\":{{\"issue-related-events-section\":{filter:?}}},\"excludeBody\":false,\"secret\":\"SECRET\"}}"
            ),
        ),
        Flavour::DataCenter => (
            "/rest/jira-webhook/1.0/webhooks",
            format!(
                "{{\"name\":\"dutyd\",\"url\":\"{hook_url}\",\"active\":true,\"events\":{events},\"configuration\":{{\"EXCLUDE_BODY\":\"false\",\"SECRET\":\"SECRET\"}}}}"
            ),
        ),
    };
    format!(
        "4. Webhook, as an administrator\n\
         \x20  Make a secret of 32 random bytes: openssl rand -hex 32; put it into the secret `{secret}`.\n\
         {written}\
         \x20  curl -u ADMIN -H 'Content-Type: application/json' -X POST '{base}{path}' \\\n\
         \x20    -d '{body}'\n\
         \x20  The answer must say that the webhook is signed. Without a secret every delivery is refused.\n\
         {before_ten}\n",
        base = config.site_url.as_deref().unwrap_or(&config.base_url).trim_end_matches('/'),
        before_ten = match config.flavour {
            Flavour::Cloud => "",
            Flavour::DataCenter =>
                "\x20  Before Jira 10 webhooks cannot be signed: leave them out, polling sees every change.\n",
        },
    )
}

fn filter(config: &Config) -> String {
    let scope = super::pull::scope(config);
    let scope = if scope.is_empty() { scope } else { format!("{scope} AND ") };
    let notes = match &config.notes {
        Notes::None => "Outside Service Management no notes are written.",
        Notes::Role(_) | Notes::Group(_) => "Outside Service Management notes are restricted as configured.",
    };
    let label = |severity: Severity| format!("\"dutyd-{}\"", severity.word());
    let (act, look) =
        (label(Severity::Critical), [Severity::Candidate, Severity::Critical].map(label).join(", "));
    format!(
        "5. Where people see it\n\
         \x20  Filters > New filter > JQL, shared with the agents; in Service Management a queue (Queues > Create queue):\n\
         \x20    {scope}labels in ({look}) AND statusCategory != Done ORDER BY priority DESC, updated DESC\n\
         \x20  Jira cannot sort by a label: a second filter with {act} alone shows the worst.\n\
         \x20  {notes}\n\n"
    )
}
