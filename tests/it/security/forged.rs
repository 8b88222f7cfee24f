//! Forged and changed webhooks, by the thousand, for each system that signs: none is heard.
//!
//! Goal G14, with decisions.rs, and threats S1 and S2: `cargo test --test it security::forged`. `DUTYD_FUZZ=50000` tries more.

use crate::contract::world::{Setting, World};
use crate::fuzz::dice::Dice;
use crate::fuzz::signing::{
    DATA_CENTERS, JIRAS, SERVICENOWS, Scheme, ZENDESKS, genuine, with, with_body, without,
};
use crate::fuzz::{mutate, tries};
use dutyd_connectors::Delivery;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

/// Every single bit of a text, flipped one at a time, where what comes out is another text.
fn flipped(text: &str) -> impl Iterator<Item = String> + '_ {
    (0..text.len() * 8).filter_map(move |bit| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let changed = String::from_utf8_lossy(&bytes).into_owned();
        (changed != text).then_some(changed)
    })
}

/// Everything but the body changed: signature, time, how often they stand there, who signed, and what was signed.
fn changed_heads(scheme: &Scheme, good: &Delivery, other: &Delivery, secrets: &[String]) -> Vec<Delivery> {
    let mut all = Vec::new();
    let names: Vec<&str> = [Some(scheme.signature), scheme.timestamp].into_iter().flatten().collect();
    for name in &names {
        let value = good.header(name).expect("a signed header").to_owned();
        all.extend(flipped(&value).map(|changed| with(good, name, changed)));
        for end in 0..value.len() {
            all.push(with(good, name, &value[..end]));
        }
        let upper = value.to_uppercase();
        let odd = [format!("{value}="), format!("{value}A"), format!(" {value}"), format!("{value} "), upper];
        all.extend(odd.into_iter().filter(|odd| *odd != value).map(|odd| with(good, name, odd)));
        all.push(without(good, name));
        for again in [value.clone(), String::new(), "sha256=AAAA".to_owned(), "\u{fffd}".to_owned()] {
            let mut doubled = good.clone();
            doubled.headers.push(((*name).to_owned(), again.clone()));
            all.push(doubled);
            let mut doubled = good.clone();
            doubled.headers.insert(0, ((*name).to_owned(), again));
            all.push(doubled);
        }
    }
    let (time, body) = (scheme.time(good), &good.body[..]);
    let signed =
        |secret: &str, time: &str, body: &[u8]| with(good, scheme.signature, scheme.sign(secret, time, body));
    // Secrets of others, of nobody, and almost ours.
    all.extend(secrets.iter().map(|secret| signed(secret, time, body)));
    // What an unsalted hash, the signature of nothing, of the time alone and of another's delivery would be.
    let hash = (scheme.written)(&Sha256::digest((scheme.signed)(time, body)));
    all.push(with(good, scheme.signature, hash));
    all.push(with(good, scheme.signature, (scheme.written)(&[0; 32])));
    all.push(with(good, scheme.signature, (scheme.written)(&[])));
    all.push(with(good, scheme.signature, other.header(scheme.signature).expect("a signature")));
    all.push(with_body(other, good.body.to_vec()));
    all.push(with_body(good, other.body.to_vec()));
    all
}

/// Bits of the body flipped, one at a time, and the body changed at random.
fn changed_bodies(good: &Delivery, dice: &mut Dice, least: u64) -> Vec<Delivery> {
    let mut all = Vec::new();
    let bits = good.body.len() * 8;
    // Of a long body not every bit; the step is odd, so that each place of a byte has its turn.
    for bit in (0..bits).step_by((bits / (least / 2) as usize) | 1) {
        let mut body = good.body.to_vec();
        body[bit / 8] ^= 1 << (bit % 8);
        all.push(with_body(good, body));
    }
    while (all.len() as u64) < least {
        let body = mutate::bytes(dice, &good.body);
        if body != good.body {
            all.push(with_body(good, body));
        }
    }
    all
}

/// Forged webhooks about a case, at least so many of them with a changed body.
pub fn mutants(
    scheme: &Scheme,
    world: &World,
    good: &Delivery,
    other: &Delivery,
    least: u64,
) -> Vec<Delivery> {
    let ours = scheme.secret(world);
    let reversed: String = ours.chars().rev().collect();
    let mut secrets =
        vec![String::new(), "secret".to_owned(), format!("{ours}\n"), reversed, ours[1..].to_owned()];
    secrets.extend((0..100).map(|other| dutyd_sandbox::dice::hex_id(other, &[b"another source"])));
    assert_eq!(
        scheme.sign(&ours, scheme.time(good), &good.body),
        good.header(scheme.signature).expect("one")
    );
    let mut mutants = changed_heads(scheme, good, other, &secrets);
    mutants.extend(changed_bodies(good, &mut Dice::new(1), least));
    mutants
}

async fn attack(scheme: &Scheme) {
    let world = World::new(scheme.subject, &Setting::new(false)).await;
    let (case, elsewhere) = (world.create("ringing").await, world.create("another").await);
    let (good, other) = (genuine(&world, &case), genuine(&world, &elsewhere));
    let now = world.now();
    let heard = |delivery: &Delivery, now: Timestamp| world.connector.hints(delivery, now).is_ok();
    assert!(heard(&good, now) && heard(&other, now), "a genuine one is heard");
    let mutants = mutants(scheme, &world, &good, &other, tries(5_000));
    assert!(mutants.len() >= 5_000);
    let accepted: Vec<&Delivery> = mutants.iter().filter(|mutant| heard(mutant, now)).collect();
    assert!(accepted.is_empty(), "{} heard, the first: {:?}", accepted.len(), accepted[0]);

    if scheme.timestamp.is_some() {
        for seconds in (301..4_000).chain([86_400, 31_536_000]) {
            let off = SignedDuration::from_secs(seconds);
            assert!(!heard(&good, now + off) && !heard(&good, now - off), "replayed {seconds} s off");
        }
    }
    assert!(heard(&good, now), "and the genuine one still is");
    println!("{}: {} changed webhooks, 0 heard", scheme.subject.vendor, mutants.len());
}

/// G14
#[tokio::test]
async fn no_changed_webhook_of_servicenow_is_heard() {
    attack(&SERVICENOWS).await;
}

/// G14
#[tokio::test]
async fn no_changed_webhook_of_zendesk_is_heard() {
    attack(&ZENDESKS).await;
}

/// G14
#[tokio::test]
async fn no_changed_webhook_of_jira_cloud_is_heard() {
    attack(&JIRAS).await;
}

/// G14
#[tokio::test]
async fn no_changed_webhook_of_jira_data_center_is_heard() {
    attack(&DATA_CENTERS).await;
}
