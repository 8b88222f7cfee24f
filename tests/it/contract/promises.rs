//! The promises, numbered; each is called with a vendor and with whether its sandbox is hostile.

use super::subject::Subject;
use super::wanted;
use super::world::{Reader, SOURCE, Setting, World};
use dutyd_connectors::{ConnectorError, Cursor, Delivery, Fetched};
use dutyd_core::action::{Action, Severity, Want};
use dutyd_core::case::CaseKey;
use dutyd_core::timeline::{Actor, EventKind};
use jiff::SignedDuration;
use serde_json::json;
use std::cell::Cell;
use std::collections::BTreeSet;

/// What the reader knows against the sandbox's own history.
fn assert_all_read(world: &World, reader: &Reader) {
    let (truth, titles) = ((world.subject.titles)(&world.history()), reader.titles());
    let missed: Vec<_> = truth.iter().filter(|(id, title)| titles.get(*id) != Some(title)).collect();
    let unknown: Vec<_> = titles.iter().filter(|(id, _)| !truth.contains_key(*id)).collect();
    assert!(missed.is_empty() && unknown.is_empty(), "missed {missed:?}, not there {unknown:?}");
}

/// The mark, the sentence and one note, as `decide` would want them for a flag.
fn wants(case: &CaseKey, severity: Severity) -> Vec<Action> {
    let text = "Customer waits since 08:00 for a reply.";
    wanted::wants(case, severity, wanted::EPISODE, "Customer waits since 08:00.", text)
}

fn note_id(actions: &[Action]) -> &str {
    &actions.iter().find(|action| matches!(action.want, Want::Note { .. })).expect("a note").id
}

fn standing_notes(world: &World, tag: &str) -> usize {
    let notes = (world.subject.notes)(&world.history());
    notes.iter().map(|note| note.matches(tag).count()).sum()
}

pub async fn p01_the_check_names_the_account(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting::new(hostile)).await;
    let mut identity = None;
    for _ in 0..20 {
        match world.connector.check(&world.cx()).await {
            Ok(found) => identity = Some(found),
            Err(ConnectorError::Throttled { .. } | ConnectorError::Unavailable { .. }) if hostile => {
                world.pass(30).await;
                continue;
            }
            Err(error) => panic!("{error}"),
        }
        break;
    }
    let identity = identity.expect("the check ends");
    assert!(!identity.account.is_empty());
    let blocking: Vec<_> = identity.findings.iter().filter(|finding| finding.blocking).collect();
    assert!(blocking.is_empty(), "{blocking:?}");
}

pub async fn p02_a_wrong_secret_is_signed_out(subject: &'static Subject, hostile: bool) {
    let setting = Setting { endpoints: subject.wrong_secret, ..Setting::new(hostile) };
    let world = World::new(subject, &setting).await;
    for _ in 0..5 {
        match world.connector.pull(&world.cx(), None).await {
            Err(ConnectorError::SignedOut { .. }) => return,
            Err(ConnectorError::Throttled { .. } | ConnectorError::Unavailable { .. }) if hostile => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("never told that it is signed out");
}

pub async fn p03_a_backfill_over_many_pages_reads_every_case(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting { cases: 120, ..Setting::new(hostile) }).await;
    let mut reader = Reader::default();
    reader.sync(&world).await;
    assert!(reader.pages > 1, "the world must not fit one page");
    let truth = (subject.titles)(&world.history());
    assert!(truth.len() >= 100);
    // What stood within the lag allowance when the scan began is the next one's.
    world.pass_the_lag().await;
    reader.sync(&world).await;
    assert_eq!(reader.quarantined, Vec::new());
    assert_all_read(&world, &reader);
}

pub async fn p04_an_edit_is_seen_by_the_next_poll(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting::new(hostile)).await;
    let mut reader = Reader::default();
    reader.sync(&world).await;
    let case = world.create("first title").await;
    for title in ["second title", "third title"] {
        world.pass(600).await;
        world.rename(&case, title).await;
        world.pass_the_lag().await;
        reader.sync(&world).await;
        assert_eq!(reader.titles().get(&case.id).map(String::as_str), Some(title));
    }
}

pub async fn p05_edits_in_one_tick_across_a_page_boundary_are_all_seen(
    subject: &'static Subject,
    hostile: bool,
) {
    let world = World::new(subject, &Setting { cases: 5, ..Setting::new(hostile) }).await;
    let mut reader = Reader::default();
    let mut cases = Vec::new();
    for number in 0..35 {
        cases.push(world.create(&format!("case {number}")).await);
    }
    world.pass_the_lag().await;
    reader.sync(&world).await;
    world.pass(600).await;
    for case in &cases {
        world.rename(case, &format!("renamed {}", case.id)).await;
    }
    world.pass_the_lag().await;
    reader.sync(&world).await;
    assert_all_read(&world, &reader);
}

pub async fn p06_an_edit_while_paging_is_not_lost(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting { cases: 80, ..Setting::new(hostile) }).await;
    let ids: Vec<String> = (subject.titles)(&world.history()).into_keys().collect();
    let mut reader = Reader::default();
    let edits = Cell::new(0);
    reader
        .sync_with(&world, async |page| {
            if edits.get() < 12 {
                edits.set(edits.get() + 1);
                world.pass(1).await;
                let id = &ids[(page * 31) % ids.len()];
                let case = CaseKey::new(SOURCE, id.as_str());
                world.rename_if_open(&case, &format!("edited behind page {page}")).await;
                world.create(&format!("made behind page {page}")).await;
            }
        })
        .await;
    assert!(edits.get() >= 2, "something must happen while paging");
    world.pass_the_lag().await;
    reader.sync(&world).await;
    assert_all_read(&world, &reader);
}

pub async fn p07_an_account_in_another_time_zone_reads_the_same(subject: &'static Subject, hostile: bool) {
    let Some(switch) = subject.zone_switch else { return };
    for zone in ["Asia/Tokyo", "America/Los_Angeles"] {
        let switches = vec![(switch, json!(zone))];
        let world = World::new(subject, &Setting { switches, ..Setting::new(hostile) }).await;
        let mut reader = Reader::default();
        reader.sync(&world).await;
        world.pass(600).await;
        let case = world.create("made later").await;
        world.pass_the_lag().await;
        reader.sync(&world).await;
        assert_all_read(&world, &reader);
        let opened_at = world.read(&case).await.case.opened_at;
        let age = world.now().duration_since(opened_at).as_secs();
        assert!((0..=900).contains(&age), "{zone}: opened at {opened_at}, now {}", world.now());
    }
}

pub async fn p08_rows_that_become_visible_late_are_read(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting { live_days: Some(2), ..Setting::new(hostile) }).await;
    let mut reader = Reader::default();
    for _ in 0..2 * 24 * 6 {
        reader.sync(&world).await;
        world.pass(600).await;
    }
    world.sandbox.inner.freeze().await;
    world.pass(1_800).await;
    reader.sync(&world).await;
    assert_all_read(&world, &reader);
    let messages = (subject.messages)(&world.history());
    for (id, change) in &reader.cases {
        let read =
            change.events.iter().filter(|event| matches!(event.kind, EventKind::Replied { .. })).count();
        assert_eq!(read, messages.get(id).copied().unwrap_or(0), "messages of {id}");
    }
}

pub async fn p09_a_cursor_of_another_version_reads_all_again(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting::new(hostile)).await;
    world.pass_the_lag().await;
    let truth = (subject.titles)(&world.history());
    for (version, body) in [(0, r#"{"since":"2099-01-01T00:00:00Z"}"#), (1, "not JSON"), (65_535, "{}")] {
        let cursor = Some(Cursor { version, body: body.to_owned() });
        let mut reader = Reader { cursor, ..Reader::default() };
        reader.sync(&world).await;
        assert_eq!(reader.titles(), truth, "cursor of version {version}");
    }
}

pub async fn p10_one_malformed_record_does_not_stop_the_page(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting::new(hostile)).await;
    world.pass_the_lag().await;
    let mut truth = (subject.titles)(&world.history());
    let bad = truth.keys().nth(truth.len() / 2).expect("a world has cases").clone();
    truth.remove(&bad);
    let (spoil, id) = (subject.spoil, bad.clone());
    *world.door.spoil.lock().expect("the lock") = Some(Box::new(move |_, body| spoil(body, &id)));
    let mut reader = Reader::default();
    reader.sync(&world).await;
    assert_eq!(reader.titles(), truth);
    assert!(reader.quarantined.iter().any(|record| record.id == bad), "{:?}", reader.quarantined);
    assert!(reader.quarantined.iter().all(|record| record.id == bad && !record.raw.is_empty()));
}

/// Vendors whose throttle tells no time: how long to wait is the engine's choice.
const THROTTLES_WITHOUT_END: &[&str] = &["salesforce"];

pub async fn p11_a_throttle_is_reported_with_its_end(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting::new(hostile)).await;
    // The first request may be the sign-in; that one is left alone.
    let mut reader = Reader::default();
    reader.sync(&world).await;
    world.order_fault(json!({ "kind": "throttled", "retry_after": 40 }), json!({}), "before").await;
    let error = world.connector.pull(&world.cx(), reader.cursor.as_ref()).await.expect_err("a throttle");
    let ConnectorError::Throttled { until } = error else { panic!("{error:?}") };
    let told = until.is_some();
    assert_ne!(told, THROTTLES_WITHOUT_END.contains(&subject.vendor), "{until:?}");
    let until = until.unwrap_or(world.now() + SignedDuration::from_secs(40));
    let wait = until.duration_since(world.now()).as_secs();
    assert!((35..=45).contains(&wait), "asked to wait 40 s, told to wait {wait} s");
    reader.sync(&world).await;
}

pub async fn p12_delivering_again_after_a_lost_answer_has_one_effect(
    subject: &'static Subject,
    hostile: bool,
) {
    let world = World::new(subject, &Setting::new(hostile)).await;
    let case = world.create("to be marked").await;
    let actions = wants(&case, Severity::Candidate);
    for action in &actions {
        assert!(!world.holds(action).await, "{:?} stands before it was written", action.slot);
    }
    let lost = json!({ "body_contains": "dutyd:" });
    world.order_fault(json!({ "kind": "reset" }), lost, "after").await;
    let note = &actions[2..];
    let mut verdict = world.connector.apply(&world.cx(), note).await.expect("verdicts").remove(0);
    while let Err(error @ ConnectorError::Throttled { .. }) = &verdict.result {
        assert!(world.waits(error).await);
        verdict = world.connector.apply(&world.cx(), note).await.expect("verdicts").remove(0);
    }
    assert!(matches!(verdict.result, Err(ConnectorError::Unknown { .. })), "{:?}", verdict.result);
    world.pass(120).await;
    for _ in 0..2 {
        for action in &actions {
            if !world.holds(action).await {
                world.deliver(std::slice::from_ref(action)).await;
            }
        }
    }
    for action in &actions {
        assert!(world.holds(action).await, "{:?} does not stand", action.slot);
    }
    assert_eq!(standing_notes(&world, note_id(&actions)), 1);
}

pub async fn p13_one_refused_write_leaves_the_others_alone(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting::new(hostile)).await;
    let (first, last) = (world.create("first").await, world.create("last").await);
    let nowhere = CaseKey::new(SOURCE, subject.nowhere);
    let mut open = wants(&first, Severity::Watch);
    open.extend(wants(&nowhere, Severity::Watch));
    open.extend(wants(&last, Severity::Critical));
    let mut refused = BTreeSet::new();
    for _ in 0..20 {
        let applied = world.connector.apply(&world.cx(), &open).await.expect("verdicts");
        let order = |applied: &dutyd_connectors::Applied| applied.action_id.clone();
        let actions: Vec<String> = open.iter().map(|action| action.id.clone()).collect();
        assert_eq!(
            applied.iter().map(order).collect::<Vec<_>>(),
            actions,
            "one verdict per action, in their order"
        );
        let mut again = Vec::new();
        for (action, verdict) in open.into_iter().zip(applied) {
            match verdict.result {
                Ok(receipt) => {
                    assert_eq!((receipt.slot, receipt.generation), (action.slot, action.generation))
                }
                Err(ConnectorError::Refused { .. }) => drop(refused.insert(action.case)),
                Err(error) => {
                    assert!(hostile, "{error}");
                    again.push(action);
                }
            }
        }
        open = again;
        if open.is_empty() {
            break;
        }
        world.pass(120).await;
        let mut missing = Vec::new();
        for action in open {
            if !world.holds(&action).await {
                missing.push(action);
            }
        }
        open = missing;
    }
    assert!(open.is_empty(), "never settled: {open:?}");
    assert_eq!(refused, BTreeSet::from([nowhere]));
    for (case, severity) in [(first, Severity::Watch), (last, Severity::Critical)] {
        assert_eq!(world.read(&case).await.marks.marker.and_then(|marker| marker.severity), Some(severity));
    }
}

pub async fn p14_own_writes_are_attributed_to_us(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting::new(hostile)).await;
    let case = world.create("watched").await;
    world.pass(60).await;
    let before: BTreeSet<String> = world.read(&case).await.events.into_iter().map(|event| event.id).collect();
    let actions = wants(&case, Severity::Warning);
    world.deliver(&actions).await;
    world.pass(60).await;
    let change = world.read(&case).await;
    let Want::Mark(wanted) = &actions[0].want else { panic!("the mark comes first") };
    assert_eq!(&change.marks.marker, wanted);
    assert!(!change.marks.severity_cleared);
    assert_eq!(change.marks.why.as_deref(), Some("Customer waits since 08:00."));
    assert_eq!(change.marks.notes, [note_id(&actions)]);
    assert!(change.marks.notes_complete);
    let foreign: Vec<_> = change
        .events
        .iter()
        .filter(|event| !before.contains(&event.id) && event.actor != Actor::Dutyd)
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

fn ring(world: &World, case: &CaseKey) -> Option<Delivery> {
    let ring = (world.subject.ring?)(&case.id);
    let vendor = world.sandbox.inner.vendor(world.subject.vendor).expect("the vendor is there");
    let rendered = vendor.render(&ring, world.now()).expect("something to say");
    let headers =
        rendered.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    Some(Delivery { headers, body: rendered.body.into() })
}

pub async fn p15_a_genuine_webhook_names_the_case(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting::new(hostile)).await;
    let case = world.create("ringing").await;
    let Some(delivery) = ring(&world, &case) else { return };
    let first = world.connector.hints(&delivery, world.now()).expect("a genuine delivery");
    assert_eq!(first.iter().map(|hint| &hint.key).collect::<Vec<_>>(), [&case]);
    assert!(first[0].delivery_id.is_some());
    let again = world.connector.hints(&delivery, world.now()).expect("the same delivery");
    assert_eq!(first, again, "a duplicate has the same delivery id");
    let mut reader = Reader::default();
    reader.follow(&world, &first).await;
    assert_eq!(reader.titles()[&case.id], "ringing");
}

pub async fn p16_a_forged_stale_or_garbled_webhook_is_refused(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting::new(hostile)).await;
    let case = world.create("ringing").await;
    let now = world.now();
    let refused = |delivery: &Delivery, what: &str| {
        let hints = world.connector.hints(delivery, now);
        assert!(matches!(hints, Err(ConnectorError::Refused { .. })), "{what}: {hints:?}");
    };
    let bare = |body: &[u8]| Delivery { headers: Vec::new(), body: body.to_vec().into() };
    for body in [&b""[..], b"{}", b"\xff\xfe", b"[[[[", b"null"] {
        refused(&bare(body), "unsigned");
    }
    let Some(genuine) = ring(&world, &case) else { return };
    refused(&bare(&genuine.body), "without its headers");
    for index in 0..genuine.body.len() {
        let mut body = genuine.body.to_vec();
        body[index] ^= 1;
        refused(&Delivery { body: body.into(), ..genuine.clone() }, "a changed body");
    }
    let signed =
        genuine.headers.iter().position(|(name, _)| name.contains("signature")).expect("a signature");
    let mut changed = genuine.clone();
    changed.headers[signed].1 = changed.headers[signed].1.chars().rev().collect();
    refused(&changed, "a changed signature");
    let mut doubled = genuine.clone();
    doubled.headers.push((doubled.headers[signed].0.clone(), "sha256=AAAA".to_owned()));
    let doubled = world.connector.hints(&doubled, now);
    assert!(doubled.is_err(), "two signatures: {doubled:?}");
}

pub async fn p17_children_beyond_the_first_page_are_read(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting::new(hostile)).await;
    let case = world.create("much talked about").await;
    for number in 0..130 {
        let from = if number % 2 == 0 { "customer" } else { "agent" };
        let reply = json!({ "from": from, "public": number % 3 != 0, "text": format!("message {number}") });
        world.act(&case, "reply", &reply).await;
    }
    world.pass(60).await;
    let change = world.read(&case).await;
    let replies = |actor: Actor| {
        let events = change.events.iter();
        events.filter(|event| event.actor == actor && matches!(event.kind, EventKind::Replied { .. })).count()
    };
    assert_eq!((replies(Actor::Customer), replies(Actor::Agent)), (65, 65));
    assert!(change.events_complete);
    let ids: BTreeSet<_> = change.events.iter().map(|event| &event.id).collect();
    assert_eq!(ids.len(), change.events.len(), "event ids are unique");
    assert!(change.texts.iter().any(|(_, text)| text.contains("message 129")), "texts go to the lexicon");
}

pub async fn p18_a_deleted_case_is_gone(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting::new(hostile)).await;
    let (kept, deleted) = (world.create("kept").await, world.create("deleted").await);
    world.pass(60).await;
    world.act(&deleted, "delete", &json!({})).await;
    world.pass(60).await;
    let fetched = world.fetch(&[deleted.clone(), kept.clone()]).await;
    assert!(matches!(&fetched[0], Fetched::Gone(key) if *key == deleted), "{:?}", fetched[0]);
    assert!(matches!(&fetched[1], Fetched::Case(change) if change.case.key == kept), "{:?}", fetched[1]);
}

pub async fn p19_a_case_that_never_was_is_not_read(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting::new(hostile)).await;
    for id in [subject.nowhere, "", "^NQ", "../../etc", "1,2", "\u{0}", "' OR 1=1"] {
        let key = CaseKey::new(SOURCE, id);
        let fetched = world.fetch(std::slice::from_ref(&key)).await;
        let absent = matches!(&fetched[..], [Fetched::Gone(found) | Fetched::Hidden(found)] if *found == key);
        assert!(absent, "{id:?}: {fetched:?}");
    }
}

pub async fn p20_a_poll_without_news_is_cheap(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting::new(hostile)).await;
    let mut reader = Reader::default();
    reader.sync(&world).await;
    world.pass(400).await;
    reader.sync(&world).await;
    world.pass(400).await;
    world.sandbox.inner.stage.faults.calm();
    let before = world.sandbox.inner.journal.since(0, Some(subject.vendor)).len();
    reader.sync(&world).await;
    let sent = world.sandbox.inner.journal.since(0, Some(subject.vendor)).len() - before;
    assert!(sent <= subject.idle_requests, "{sent} requests for nothing");
}

pub async fn p21_no_request_leaves_the_declared_list(subject: &'static Subject, hostile: bool) {
    let world = World::new(subject, &Setting::new(hostile)).await;
    let case = world.create("to be marked").await;
    world.pass(SignedDuration::from_mins(2).as_secs()).await;
    let mut reader = Reader::default();
    reader.sync(&world).await;
    let _ = world.connector.check(&world.cx()).await;
    let actions = wants(&case, Severity::Candidate);
    world.deliver(&actions).await;
    for action in &actions {
        assert!(world.holds(action).await);
    }
    world.fetch(&[CaseKey::new(SOURCE, subject.nowhere)]).await;
    for entry in world.sandbox.inner.journal.since(0, Some(subject.vendor)) {
        let path = entry.path.split('?').next().unwrap_or_default();
        let declared = subject.declares(&entry.method, path);
        assert!(declared, "{} {} is not declared", entry.method, entry.path);
        assert!(entry.path.len() <= 8_000, "an address of {} characters", entry.path.len());
        assert!(
            entry.status < 400
                || entry.fault.is_some()
                || entry.status == 404
                || entry.path.contains("sys_script")
                || entry.path.contains("webhook"),
            "{} {}: {}",
            entry.method,
            entry.path,
            entry.status
        );
    }
}

pub async fn p22_a_record_that_takes_no_writes_is_left_as_it_is(subject: &'static Subject, hostile: bool) {
    let switches = subject.seal.switch.map(|name| (name, json!(true))).into_iter().collect();
    let world = World::new(subject, &Setting { switches, ..Setting::new(hostile) }).await;
    let (sealed, open) = (world.create("sealed").await, world.create("open").await);
    for (verb, fields) in subject.seal.orders {
        let fields: serde_json::Value = serde_json::from_str(fields).unwrap_or_default();
        world.act(&sealed, verb, &json!({ "fields": fields })).await;
    }
    world.pass(60).await;
    let before = world.read(&sealed).await.case.revision;
    let (refused, taken) = (wants(&sealed, Severity::Watch), wants(&open, Severity::Watch));
    for actions in [&refused[..], &refused[..2]] {
        let mut settled = 0;
        for _ in 0..20 {
            let applied = world.connector.apply(&world.cx(), actions).await.expect("verdicts");
            settled =
                applied.iter().filter(|one| matches!(one.result, Err(ConnectorError::Sealed { .. }))).count();
            if settled == actions.len() || !hostile {
                assert_eq!(settled, actions.len(), "{applied:?}");
                break;
            }
            world.pass(120).await;
        }
        assert_eq!(settled, actions.len());
    }
    assert_eq!(world.read(&sealed).await.case.revision, before, "nothing was written");
    assert_eq!(standing_notes(&world, note_id(&refused)), 0);
    world.deliver(&taken).await;
    assert!(world.holds(&taken[0]).await, "the others are written as ever");
}
