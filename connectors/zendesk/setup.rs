//! What an administrator creates in Zendesk, as text with copyable steps.
//!
//! Must not know: secrets, or whether any of it exists already (`check --online` measures that).

use super::VENDOR;
use super::config::{Config, SignInConfig};
use crate::steps::{answer_field, webhook_secret};
use dutyd_core::action::Severity;

/// The steps. `hook_url`: where webhooks go.
pub fn setup(config: &Config, hook_url: &str) -> String {
    let origin = config.origin.trim_end_matches('/');
    [account(config, origin), fields(config, origin), webhook(origin, hook_url), view(origin), finish(config)]
        .join("\n")
}

fn account(config: &Config, origin: &str) -> String {
    let sign_in = match &config.sign_in {
        SignInConfig::Oauth { client_id, client_secret, scopes } => format!(
            "   b. Signed in as that user, open Admin Center > Apps and integrations > APIs > OAuth clients > Add.\n\
             \x20     Identifier: {client_id}    Client kind: confidential    Scopes: {scopes}\n\
             \x20  c. Store the secret, which is shown once, under the name {:?}.\n\
             \x20     A misspelled scope still yields a token, and every call then answers 403: copy the line above.\n",
            client_secret.0
        ),
        SignInConfig::ApiToken { email, token } => format!(
            "   b. The source uses the API token of {email}. Zendesk creates no new ones, and all end on 2027-04-30:\n\
             \x20     move to sign_in.oauth before then. The token is read under the name {:?}.\n",
            token.0
        ),
    };
    format!(
        "1. An account of its own\n\
         \x20  a. {origin}/admin/people/team/members > Create team member: name \"Dutyd\", role Admin.\n\
         \x20     The incremental export asks for an admin; the scopes below are what limits it. Give it no group,\n\
         \x20     so that no ticket is assigned to it, and let no person sign in with it.\n{sign_in}"
    )
}

fn fields(config: &Config, origin: &str) -> String {
    let marks = &config.marks;
    let options = Severity::ALL.map(|severity| {
        let word = severity.word();
        let title = format!("{}{}", word[..1].to_uppercase(), &word[1..]);
        json(&title, &format!("dutyd_{word}"))
    });
    let text = |title: &str, what: &str| {
        format!(
            "   curl -X POST {origin}/api/v2/ticket_fields -H \"Authorization: Bearer $ADMIN_TOKEN\" \\\n\
             \x20       -H 'Content-Type: application/json' -d '{{\"ticket_field\":{{\"type\":\"text\",\"title\":\"{title}\",\
             \"visible_in_portal\":false,\"editable_in_portal\":false}}}}'    # {what}\n"
        )
    };
    let mut steps = format!(
        "2. Ticket fields, hidden from customers (any admin's token, or Admin Center > Objects and rules > Fields)\n\
         \x20  curl -X POST {origin}/api/v2/ticket_fields -H \"Authorization: Bearer $ADMIN_TOKEN\" \\\n\
         \x20       -H 'Content-Type: application/json' -d '{{\"ticket_field\":{{\"type\":\"tagger\",\"title\":\"{}\",\
         \"visible_in_portal\":false,\"editable_in_portal\":false,\"custom_field_options\":[{}]}}}}'\n",
        marks.severity,
        options.join(",")
    );
    steps.push_str(&text(&marks.why, "the reason, for people"));
    steps.push_str(&text(&marks.flags, "for dutyd itself: leave it off the agents' forms"));
    let (answer, optional) = answer_field(&marks.answer, "Dutyd answer", VENDOR);
    steps.push_str(&text(&answer, "where agents answer: ack, snooze 4h"));
    steps.push_str(&optional);
    steps.push_str("   With several ticket forms: put the first two on each form that agents work with.\n");
    steps
}

fn json(name: &str, value: &str) -> String {
    format!("{{\"name\":\"{name}\",\"value\":\"{value}\"}}")
}

fn webhook(origin: &str, hook_url: &str) -> String {
    const EVENTS: [&str; 12] = [
        "created",
        "status_changed",
        "priority_changed",
        "agent_assignment_changed",
        "group_assignment_changed",
        "organization_changed",
        "requester_changed",
        "custom_field_changed",
        "comment_added",
        "merged",
        "soft_deleted",
        "undeleted",
    ];
    let subscriptions = EVENTS.map(|event| format!("\"zen:event-type:ticket.{event}\"")).join(",");
    format!(
        "3. The webhook (the poll works without it, a minute later)\n\
         \x20  curl -X POST {origin}/api/v2/webhooks -H \"Authorization: Bearer $ADMIN_TOKEN\" \\\n\
         \x20       -H 'Content-Type: application/json' -d '{{\"webhook\":{{\"name\":\"dutyd\",\"status\":\"active\",\
         \"endpoint\":\"{hook_url}\",\"http_method\":\"POST\",\"request_format\":\"json\",\"subscriptions\":[{subscriptions}]}}}}'\n\
         \x20  curl {origin}/api/v2/webhooks/WEBHOOK_ID/signing_secret -H \"Authorization: Bearer $ADMIN_TOKEN\"\n\
         \x20  Where webhooks must hang on triggers: subscriptions [\"conditional_ticket_events\"], and a trigger with the\n\
         \x20  action \"Notify active webhook\" and the body {{\"ticket_id\":\"{{{{ticket.id}}}}\"}}.\n"
    )
}

fn view(origin: &str) -> String {
    format!(
        "4. View of flagged tickets (Admin Center > Workspaces > Agent tools > Views; add the dutyd fields as columns there)\n\
         \x20  curl -X POST {origin}/api/v2/views.json -H \"Authorization: Bearer $ADMIN_TOKEN\" \\\n\
         \x20       -H 'Content-Type: application/json' -d '{{\"view\":{{\"title\":\"dutyd: flagged\",\
         \"all\":[{{\"field\":\"status\",\"operator\":\"less_than\",\"value\":\"solved\"}},\
         {{\"field\":\"current_tags\",\"operator\":\"includes\",\"value\":\"dutyd_candidate dutyd_critical\"}}],\
         \"output\":{{\"columns\":[\"nice_id\",\"subject\",\"requester\",\"assignee\",\"updated\"],\
         \"sort_by\":\"priority\",\"sort_order\":\"desc\"}}}}}}'\n"
    )
}

fn finish(config: &Config) -> String {
    let (secret, written) = webhook_secret(&config.webhook_secrets, "zendesk-webhook");
    format!(
        "5. Store the webhook's signing secret as the secret {secret:?}.\n{written}   Then `dutyd check --online` says what is still missing, and what is too much.\n"
    )
}
