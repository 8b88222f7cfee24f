//! Tickets over HTTP: lists, single ones, creation and update, comments, audits, tags, measures, merge.
//! Knows parameters and envelopes; what a change does stands in `change.rs`.

use super::auth::Caller;
use super::book::{Book, Ticket};
use super::change::{Doer, Made, number};
use super::fields::words;
use super::reply::{Answer, Reply, bad_parameter, no_record, ok, refused, too_many_values};
use super::{Account, Zendesk, paging, shape};
use crate::route::Call;
use serde_json::{Map, Value, json};

const MANY_MAX: usize = 100;
/// How long an `Idempotency-Key` is remembered.
const IDEMPOTENT_SECONDS: i64 = 7_200;

pub fn id_of(call: &Call) -> Result<u64, Reply> {
    call.capture("id").parse().map_err(|_| no_record())
}

/// The JSON body's object under `name`.
pub fn body(call: &Call, name: &str) -> Result<Map<String, Value>, Reply> {
    let value: Value = serde_json::from_slice(&call.body)
        .map_err(|_| refused(422, "Unprocessable Entity", "Server could not parse JSON"))?;
    match &value[name] {
        Value::Object(object) => Ok(object.clone()),
        _ => Err(Reply::new(
            400,
            json!({ "error": "RequiredParameterMissing", "description": format!("Required parameter {name} is missing") }),
        )),
    }
}

/// `ids=1,2,3`, at most a hundred.
pub fn many(call: &Call) -> Result<Vec<u64>, Reply> {
    let text = call.param("ids").ok_or_else(|| bad_parameter("ids", "is missing"))?;
    let ids: Vec<u64> = text.split(',').filter_map(|id| id.trim().parse().ok()).collect();
    if ids.len() > MANY_MAX { Err(too_many_values()) } else { Ok(ids) }
}

fn doer(call: &Call, caller: &Caller) -> Doer {
    Doer::api(caller.user.unwrap_or(0), call.now.as_second())
}

fn with_side_loads(call: &Call, book: &Book, ids: &[u64], mut frame: Map<String, Value>) -> Value {
    shape::side_loads(book, call.param("include").unwrap_or(""), ids, &call.origin(), &mut frame);
    Value::Object(frame)
}

/// Ids of living tickets that fit, in the order asked for.
fn listing(call: &Call, book: &Book, fits: impl Fn(&Ticket) -> bool) -> Vec<u64> {
    let mut found: Vec<&Ticket> = book.living().filter(|ticket| fits(ticket)).collect();
    let sort = call.param("sort").unwrap_or("");
    let by = call.param("sort_by").unwrap_or(sort.trim_start_matches('-'));
    match by {
        "updated_at" => found.sort_by_key(|ticket| (ticket.updated, ticket.id)),
        "created_at" => found.sort_by_key(|ticket| (ticket.created, ticket.id)),
        "status" => found.sort_by_key(|ticket| (ticket.status.clone(), ticket.id)),
        _ => {}
    }
    if sort.starts_with('-') || call.param("sort_order") == Some("desc") {
        found.reverse();
    }
    found.iter().map(|ticket| ticket.id).collect()
}

pub fn page(zendesk: &Zendesk, call: &Call, account: &Account, ids: &[u64]) -> Answer {
    let book = &account.book;
    let mut cut = paging::cut(call, ids, zendesk.small_page())?;
    let origin = call.origin();
    let rows = cut.ids.iter().filter_map(|id| Some(shape::ticket(book, book.tickets.get(id)?, &origin)));
    cut.frame.insert("tickets".to_owned(), rows.collect());
    ok(with_side_loads(call, book, &cut.ids, cut.frame))
}

pub fn list(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let external = call.param("external_id");
    let ids =
        listing(call, &account.book, |one| external.is_none_or(|id| one.external_id.as_deref() == Some(id)));
    page(zendesk, call, account, &ids)
}

pub fn of_user(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (id, owned) = (id_of(call)?, call.path.ends_with("/assigned"));
    let ids =
        listing(
            call,
            &account.book,
            |one| if owned { one.assignee == Some(id) } else { one.requester == id },
        );
    page(zendesk, call, account, &ids)
}

pub fn of_organization(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let id = id_of(call)?;
    let ids = listing(call, &account.book, |one| one.organization == Some(id));
    page(zendesk, call, account, &ids)
}

pub fn count(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    ok(
        json!({ "count": { "value": account.book.living().count(), "refreshed_at": shape::stamp(call.now.as_second()) } }),
    )
}

pub fn show_many(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (ids, book, origin) = (many(call)?, &account.book, call.origin());
    let found: Vec<u64> = ids.into_iter().filter(|id| book.living_ticket(*id).is_some()).collect();
    let rows: Vec<Value> =
        found.iter().filter_map(|id| Some(shape::ticket(book, book.tickets.get(id)?, &origin))).collect();
    let mut frame = Map::new();
    frame.insert("count".to_owned(), json!(rows.len()));
    frame.insert("next_page".to_owned(), Value::Null);
    frame.insert("previous_page".to_owned(), Value::Null);
    frame.insert("tickets".to_owned(), Value::Array(rows));
    ok(with_side_loads(call, book, &found, frame))
}

pub fn show(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let book = &account.book;
    let ticket = book.living_ticket(id_of(call)?).ok_or_else(no_record)?;
    let mut frame = Map::new();
    frame.insert("ticket".to_owned(), shape::ticket(book, ticket, &call.origin()));
    if call.param("include").is_some_and(|include| include.split(',').any(|word| word == "comment_count")) {
        frame["ticket"]["comment_count"] = json!(book.comments(ticket.id).count());
    }
    ok(with_side_loads(call, book, &[ticket.id], frame))
}

fn made_reply(status: u16, account: &Account, call: &Call, made: &Made) -> Reply {
    let Some(ticket) = account.book.tickets.get(&made.audit.ticket) else { return no_record() };
    let mut shown = shape::ticket(&account.book, ticket, &call.origin());
    if status == 201 {
        shown["generated_timestamp"] = json!(0);
    }
    let reply = Reply::new(status, json!({ "ticket": shown, "audit": shape::audit(&made.audit) }));
    let location = format!("{}/api/v2/tickets/{}.json", call.origin(), ticket.id);
    let reply = if status == 201 { reply.with("location", location) } else { reply };
    if made.ignored.is_empty() {
        return reply;
    }
    let keys = made.ignored.iter().map(|key| format!("\"{key}\"")).collect::<Vec<_>>().join(", ");
    reply.with(
        "x-zendesk-api-warn",
        format!("{{:unpermitted_keys=>[{keys}], :controller=>\"api/v2/tickets\"}}"),
    )
}

pub fn create(zendesk: &Zendesk, account: &mut Account, call: &Call, caller: &Caller) -> Answer {
    let change = body(call, "ticket")?;
    let now = call.now.as_second();
    let key = call.header("idempotency-key").map(str::to_owned);
    account.book.idempotency.retain(|_, (at, _, _)| *at + IDEMPOTENT_SECONDS > now);
    if let Some((_, asked, id)) = key.as_ref().and_then(|key| account.book.idempotency.get(key)) {
        if **asked != *call.body {
            return Err(refused(
                400,
                "IdempotentRequestError",
                "Request parameters don't match the given idempotency key",
            ));
        }
        let audit =
            account.book.audits.get(id).and_then(|audits| audits.first()).cloned().ok_or_else(no_record)?;
        return Ok(made_reply(201, account, call, &Made { audit, ignored: Vec::new() })
            .with("x-idempotency-lookup", "hit"));
    }
    let made = account.book.create(&change, &doer(call, caller))?;
    zendesk.rang(&account.book, &made.audit, true);
    let reply = made_reply(201, account, call, &made);
    match key {
        None => Ok(reply),
        Some(key) => {
            account.book.idempotency.insert(key, (now, call.body.to_vec(), made.audit.ticket));
            Ok(reply.with("x-idempotency-lookup", "miss"))
        }
    }
}

pub fn update(zendesk: &Zendesk, account: &mut Account, call: &Call, caller: &Caller) -> Answer {
    let (id, mut change, now) = (id_of(call)?, body(call, "ticket")?, call.now.as_second());
    let name = format!("ticket {id} {}", caller.user.unwrap_or(0));
    let level = account.limits.take(&name, super::PER_TICKET, 600, now);
    let level = level.map_err(|level| {
        super::limits::refusal("Too many updates of this ticket. Try again later.", level)
    })?;
    // These two exist in bulk updates only; here they are ignored like any unknown key.
    let mut bulk_only: Vec<String> = Vec::new();
    for key in ["additional_tags", "remove_tags"] {
        bulk_only.extend(change.remove(key).map(|_| format!("ticket.{key}")));
    }
    let mut made = account.book.update(id, &change, &doer(call, caller))?;
    made.ignored.extend(bulk_only);
    zendesk.rang(&account.book, &made.audit, false);
    let value = super::limits::bucket_value(level);
    Ok(made_reply(200, account, call, &made).with("zendesk-ratelimit-per-ticket-updates", value))
}

pub fn delete(zendesk: &Zendesk, account: &mut Account, call: &Call, caller: &Caller) -> Answer {
    let id = id_of(call)?;
    if !erase(zendesk, account, id, caller.user.unwrap_or(0) as i64, call.now.as_second()) {
        return Err(no_record());
    }
    Ok(Reply::new(204, Value::Null))
}

/// Soft deletion: the ticket is gone from everywhere but the export. `false`: there was none.
pub fn erase(zendesk: &Zendesk, account: &mut Account, id: u64, by: i64, now: i64) -> bool {
    let book = &mut account.book;
    let Some(ticket) = book.tickets.get_mut(&id).filter(|ticket| ticket.status != "deleted") else {
        return false;
    };
    let before = std::mem::replace(&mut ticket.status, "deleted".to_owned());
    ticket.deleted = Some((before, now, by));
    ticket.updated = now;
    book.place(id, now);
    zendesk.rang_about(book, id, "soft_deleted", by, now);
    true
}

pub fn deleted(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let book = &account.book;
    let ids: Vec<u64> = book.tickets.values().filter(|one| one.deleted.is_some()).map(|one| one.id).collect();
    paging::list(call, "deleted_tickets", &ids, zendesk.small_page(), |id| {
        let ticket = &book.tickets[id];
        let (before, at, by) = ticket.deleted.clone().unwrap_or_default();
        let name = u64::try_from(by).ok().and_then(|by| book.users.get(&by)).map(|user| user.name.clone());
        json!({ "id": id, "subject": ticket.subject, "description": ticket.description, "previous_state": before,
                "deleted_at": shape::stamp(at), "actor": { "id": by, "name": name } })
    })
}

pub fn restore(zendesk: &Zendesk, account: &mut Account, call: &Call, caller: &Caller) -> Answer {
    let (id, now) = (id_of(call)?, call.now.as_second());
    let ticket = account.book.tickets.get_mut(&id).ok_or_else(no_record)?;
    let (before, _, _) = ticket.deleted.take().ok_or_else(no_record)?;
    ticket.status = before;
    ticket.updated = now;
    account.book.place(id, now);
    zendesk.rang_about(&account.book, id, "undeleted", caller.user.unwrap_or(0) as i64, now);
    ok(json!({}))
}

pub fn comments(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, id, origin) = (&account.book, id_of(call)?, call.origin());
    book.living_ticket(id).ok_or_else(no_record)?;
    let mut found: Vec<_> =
        book.comments(id).filter_map(|(audit, one)| Some((one["id"].as_u64()?, audit, one))).collect();
    if call.param("sort") == Some("-created_at") || call.param("sort_order") == Some("desc") {
        found.reverse();
    }
    let ids: Vec<u64> = found.iter().map(|(id, ..)| *id).collect();
    let mut cut = paging::cut(call, &ids, zendesk.small_page())?;
    let shown = found.iter().filter(|(id, ..)| cut.ids.contains(id));
    let rows: Vec<Value> = shown.map(|(_, audit, one)| shape::comment(audit, one)).collect();
    if call.param("include").is_some_and(|include| include.contains("users")) {
        cut.frame
            .insert("users".to_owned(), authors(book, rows.iter().map(|row| &row["author_id"]), &origin));
    }
    cut.frame.insert("comments".to_owned(), Value::Array(rows));
    ok(Value::Object(cut.frame))
}

fn authors<'a>(book: &Book, ids: impl Iterator<Item = &'a Value>, origin: &str) -> Value {
    let ids: std::collections::BTreeSet<u64> = ids.filter_map(number).collect();
    ids.iter().filter_map(|id| Some(shape::user(book.users.get(id)?, origin))).collect()
}

pub fn comment_count(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let count = account.book.comments(id_of(call)?).count();
    ok(json!({ "count": { "value": count, "refreshed_at": shape::stamp(call.now.as_second()) } }))
}

pub fn make_private(_: &Zendesk, account: &mut Account, call: &Call, caller: &Caller) -> Answer {
    let id = id_of(call)?;
    let comment: u64 = call.capture("comment").parse().map_err(|_| no_record())?;
    let (book, now) = (&mut account.book, call.now.as_second());
    let event = book.next_event();
    let audit = book.next_event();
    let audits = book.audits.get_mut(&id).ok_or_else(no_record)?;
    let mut events = audits.iter_mut().flat_map(|audit| audit.events.iter_mut());
    let found =
        events.find(|event| event["id"] == comment && event["type"] == "Comment").ok_or_else(no_record)?;
    found["public"] = json!(false);
    let change =
        json!({ "id": event, "type": "CommentPrivacyChange", "comment_id": comment, "public": false });
    audits.push(super::book::Audit {
        id: audit,
        ticket: id,
        created: now,
        author: caller.user.unwrap_or(0) as i64,
        via: super::book::via("api"),
        custom: json!({}),
        events: vec![change],
    });
    if let Some(ticket) = book.tickets.get_mut(&id) {
        ticket.updated = now;
    }
    book.place(id, now);
    ok(json!({}))
}

pub fn audits(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, id) = (&account.book, id_of(call)?);
    book.living_ticket(id).ok_or_else(no_record)?;
    let all = book.audits.get(&id).map(Vec::as_slice).unwrap_or_default();
    let ids: Vec<u64> = all.iter().map(|audit| audit.id).collect();
    let mut cut = paging::cut(call, &ids, zendesk.small_page())?;
    let shown: Vec<_> = all.iter().filter(|audit| cut.ids.contains(&audit.id)).collect();
    if call.param("include").is_some_and(|include| include.contains("users")) {
        let people: Vec<Value> = shown.iter().map(|audit| json!(audit.author)).collect();
        let said = shown.iter().flat_map(|audit| audit.events.iter().map(|event| &event["author_id"]));
        cut.frame.insert("users".to_owned(), authors(book, people.iter().chain(said), &call.origin()));
    }
    cut.frame.insert("audits".to_owned(), shown.into_iter().map(shape::audit).collect());
    ok(Value::Object(cut.frame))
}

pub fn audit(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let wanted: u64 = call.capture("audit").parse().map_err(|_| no_record())?;
    let audits = account.book.audits.get(&id_of(call)?).ok_or_else(no_record)?;
    let audit = audits.iter().find(|audit| audit.id == wanted).ok_or_else(no_record)?;
    ok(json!({ "audit": shape::audit(audit) }))
}

pub fn tags(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let ticket = account.book.living_ticket(id_of(call)?).ok_or_else(no_record)?;
    ok(json!({ "tags": ticket.tags }))
}

/// POST sets, PUT adds, DELETE removes.
pub fn retag(zendesk: &Zendesk, account: &mut Account, call: &Call, caller: &Caller) -> Answer {
    let id = id_of(call)?;
    let given: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
    let key = match call.method.as_str() {
        "POST" => "tags",
        "PUT" => "additional_tags",
        _ => "remove_tags",
    };
    let mut change = Map::new();
    change.insert(key.to_owned(), json!(words(&given["tags"])));
    for name in ["updated_stamp", "safe_update"] {
        if let Some(value) = given.get(name) {
            change.insert(name.to_owned(), value.clone());
        }
    }
    let made = account.book.update(id, &change, &doer(call, caller))?;
    zendesk.rang(&account.book, &made.audit, false);
    let tags = account.book.tickets.get(&id).map(|ticket| ticket.tags.clone());
    Ok(match call.method.as_str() {
        "POST" => Reply::new(201, json!({ "tags": tags })),
        "PUT" => Reply::new(200, json!({ "tags": tags })),
        _ => Reply::new(204, Value::Null),
    })
}

pub fn metrics(_: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let ticket = account.book.living_ticket(id_of(call)?).ok_or_else(no_record)?;
    ok(json!({ "ticket_metric": shape::metrics(ticket, &call.origin()) }))
}

pub fn all_metrics(zendesk: &Zendesk, account: &mut Account, call: &Call, _: &Caller) -> Answer {
    let (book, origin) = (&account.book, call.origin());
    let ids: Vec<u64> = book.living().map(|ticket| ticket.id).collect();
    paging::list(call, "ticket_metrics", &ids, zendesk.small_page(), |id| {
        shape::metrics(&book.tickets[id], &origin)
    })
}

/// Sources become closed with the tag `closed_by_merge`; both sides get a comment.
pub fn merge_into(
    zendesk: &Zendesk,
    account: &mut Account,
    target: u64,
    sources: &[u64],
    order: &Value,
    doer: &Doer,
) -> Vec<Value> {
    let mut results = Vec::new();
    for id in sources {
        let say = |key: &str, otherwise: String, public: &str| {
            let text = order[key].as_str().map_or(otherwise, str::to_owned);
            json!({ "body": text, "public": order[public].as_bool().unwrap_or(false) })
        };
        let note = say(
            "source_comment",
            format!("This request was closed and merged into request #{target}."),
            "source_comment_is_public",
        );
        let mut change = Map::new();
        change.insert("comment".to_owned(), note);
        change.insert("status".to_owned(), json!("closed"));
        change.insert("additional_tags".to_owned(), json!(["closed_by_merge"]));
        let from = json!({ "ticket_id": target });
        let merged = Doer {
            via: json!({ "channel": "web", "source": { "from": from, "to": {}, "rel": "merge" } }),
            ..doer.clone()
        };
        let done = account.book.update(*id, &change, &merged);
        results.push(match &done {
            Ok(made) => {
                zendesk.rang_about(&account.book, *id, "merged", doer.user, doer.now);
                zendesk.rang(&account.book, &made.audit, false);
                json!({ "id": id, "action": "update", "success": true, "status": "Updated" })
            }
            Err(refusal) => json!({ "id": id, "success": false, "error": refusal.body["error"], "details": refusal.body["description"] }),
        });
        if done.is_ok() {
            let note = say(
                "target_comment",
                format!("Request #{id} was closed and merged into this request."),
                "target_comment_is_public",
            );
            let mut change = Map::new();
            change.insert("comment".to_owned(), note);
            if let Ok(made) = account.book.update(target, &change, &merged) {
                zendesk.rang(&account.book, &made.audit, false);
            }
        }
    }
    results
}
