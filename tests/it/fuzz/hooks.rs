//! Webhooks that are signed and say nonsense: whoever holds the secret, or a vendor that changed its events, can cost us no
//! more than a look at a case of a well-formed id.
//!
//! Goal G17: `cargo test --test it fuzz::hooks`.

use super::dice::Dice;
use super::signing::{SCHEMES, Scheme, genuine};
use super::{Stopwatch, mutate, seed, tries};
use crate::contract::world::{Setting, World};
use dutyd_connectors::{ConnectorError, Delivery};
use serde_json::Value;

/// Ids of one delivery: a system names a handful at most.
const HINTS_MAX: usize = 16;

/// Outcome of a signed delivery: how many ids it names. Never a panic, never an id that could change an address.
fn heard(world: &World, delivery: &Delivery) -> usize {
    match world.connector.hints(delivery, world.now()) {
        Ok(hints) => {
            assert!(hints.len() <= HINTS_MAX, "{} hints", hints.len());
            for hint in &hints {
                let plain = hint.key.id.bytes().all(|byte| byte.is_ascii_alphanumeric());
                assert!(plain && (1..=32).contains(&hint.key.id.len()), "{:?}", hint.key);
            }
            hints.len()
        }
        Err(ConnectorError::Refused { .. } | ConnectorError::Malformed { .. }) => 0,
        Err(error) => panic!("{error:?}"),
    }
}

async fn nonsense(scheme: &'static Scheme) {
    let world = World::new(scheme.subject, &Setting::new(false)).await;
    let case = world.create("ringing").await;
    let (good, secret) = (genuine(&world, &case), scheme.secret(&world));
    let document: Value = serde_json::from_slice(&good.body).expect("JSON");
    let (mut watch, mut named) = (Stopwatch::new(scheme.subject.vendor), 0);
    for nth in 0..tries(400) {
        let mut dice = Dice::new(seed() * 1_000_000 + nth);
        let body = match dice.below(3) {
            0 => mutate::bytes(&mut dice, &good.body),
            1 => {
                let once = mutate::json(&mut dice, &document, &[]);
                serde_json::from_str(&once).map_or(once, |again| mutate::json(&mut dice, &again, &[])).into()
            }
            _ => mutate::json(&mut dice, &document, &[]).into(),
        };
        let mut delivery = scheme.resigned(&good, &secret, body);
        if dice.one_in(4) {
            let nth = dice.below(delivery.headers.len());
            delivery.headers[nth].1 = mutate::text(&mut dice, &delivery.headers[nth].1.clone());
        }
        watch.start(nth);
        named += heard(&world, &delivery);
        watch.stop();
    }
    assert!(named > 0, "no changed body was understood: the signatures are wrong");
    watch.tell(&format!("{named} ids named"));
}

/// G17
#[tokio::test]
async fn signed_nonsense_names_well_formed_ids_or_nothing() {
    for scheme in SCHEMES {
        nonsense(scheme).await;
    }
}

/// G35. Bodies up to the largest that the door lets in.
#[tokio::test]
async fn signed_bodies_of_any_depth_and_size_are_refused_and_not_followed() {
    let bodies = [
        "[".repeat(1_000_000),
        "{\"a\":".repeat(200_000),
        format!("{{\"type\":\"zen:event-type:ticket.x\",\"detail\":{}", "[".repeat(900_000)),
        format!("[{}0]", "0,".repeat(500_000)),
        format!("{{{}\"z\":0}}", "\"a\":0,".repeat(170_000)),
        format!("\"{}\"", "\\ud83d\\ude00".repeat(80_000)),
        "9".repeat(1_000_000),
        String::new(),
        "\0".repeat(1_000_000),
    ];
    for scheme in SCHEMES {
        let world = World::new(scheme.subject, &Setting::new(false)).await;
        let (good, secret) = (genuine(&world, &world.create("ringing").await), scheme.secret(&world));
        for body in &bodies {
            assert_eq!(heard(&world, &scheme.resigned(&good, &secret, body.clone().into_bytes())), 0);
        }
    }
}
