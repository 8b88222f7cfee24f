//! What is not seen is not judged as if it were: pauses, records that cannot be fetched, rights that come and go, a clock
//! that jumps.

use super::{Answer, Double, Record, Stage, UNOWNED, page, policies};
use crate::fixture::{HandClock, SOURCE, change, key, minutes, start};
use dutyd::config::Mode;
use dutyd::store::{Order, Store, open_state};
use dutyd_connectors::{ConnectorError, Fetched, Hint, Page};
use dutyd_core::case::{SeenMarks, Status};
use dutyd_core::state::Presence;
use jiff::Timestamp;
use std::sync::Arc;

/// A source with one urgent case, which is flagged if nobody has owned it for a quarter of an hour.
async fn watching() -> Stage {
    let double = Double::new();
    *double.record.lock().expect("not poisoned") =
        Some(Record { marks: SeenMarks { notes_complete: true, ..SeenMarks::default() }, version: 1 });
    let clock = Arc::new(HandClock::new(start()));
    let stage = Stage::over(Arc::new(double), clock, policies(UNOWNED), Mode::Write, 1_000).await;
    stage.settle().await;
    stage
}

impl Stage {
    async fn pass_minutes(&self, count: usize) {
        for _ in 0..count {
            self.clock.pass(minutes(1));
            self.settle().await;
        }
    }

    async fn ring(&self, id: &str) {
        let hint = Hint { key: key(id), revision: None, delivery_id: None };
        self.store.note_delivery(SOURCE, vec![hint], self.clock.read()).await.expect("noted");
        self.engine.rung(SOURCE);
    }

    /// Since when the case is not seen, as `explain` tells.
    async fn unseen_since(&self) -> Option<Timestamp> {
        let row = self.store.find_cases("INCa").await.expect("read").remove(0);
        let around = self.store.around(row.case).await.expect("read");
        self.engine.unseen_since(SOURCE, around.blind_since)
    }

    async fn flags(&self) -> usize {
        self.store.open_flags(10).await.expect("read").len()
    }

    fn fetched(&self, answer: Option<Answer>) {
        *self.double.fetched.lock().expect("not poisoned") = answer;
    }

    async fn presence(&self) -> Presence {
        let found = self.store.find_cases("INCa").await.expect("read").remove(0);
        open_state(&found.state).expect("a state").presence
    }
}

#[tokio::test]
async fn a_case_that_is_said_to_have_changed_is_not_flagged_before_it_has_been_read_and_asked_for_ever_less_often()
 {
    let stage = watching().await;
    stage.fetched(Some(|key| {
        Fetched::Unread(key.clone(), ConnectorError::Unavailable { reason: "500".to_owned() })
    }));
    stage.ring("a").await;
    stage.pass_minutes(60).await;
    assert_eq!(stage.flags().await, 0, "it may have an owner by now");
    assert_eq!(stage.unseen_since().await, Some(start()));
    let asked = stage.double.asked().into_iter().filter(|asked| asked == "fetch a").count();
    assert!((3..=15).contains(&asked), "asked {asked} times in an hour");
    stage.fetched(None);
    stage.pass_minutes(16).await;
    assert_eq!(stage.flags().await, 1, "it was read, and nothing had changed");
    assert_eq!(stage.unseen_since().await, None);
}

#[tokio::test]
async fn a_source_that_is_paused_is_not_seen() {
    let stage = watching().await;
    let pause = |paused| Order::Pause { source: SOURCE.to_owned(), paused };
    stage.engine.order(pause(true)).await.expect("paused");
    stage.pass_minutes(60).await;
    assert_eq!(stage.flags().await, 0, "it may have an owner by now");
    assert_eq!(stage.engine.health()[0].blind_since, None, "that it is paused is said in its place");
    stage.engine.order(pause(false)).await.expect("resumed");
    stage.settle().await;
    assert_eq!(stage.flags().await, 1, "it was read, and nothing had changed");
}

#[tokio::test]
async fn a_case_that_was_out_of_sight_is_back_within_a_week_although_nothing_of_it_changed() {
    let absent: [Answer; 2] = [|key| Fetched::Hidden(key.clone()), |key| Fetched::Gone(key.clone())];
    for answer in absent {
        let stage = Stage::new(Mode::Observe).await;
        stage.double.page(Ok(page(&["a"], "one")));
        stage.settle().await;
        stage.fetched(Some(answer));
        stage.ring("a").await;
        stage.settle().await;
        assert_ne!(stage.presence().await, Presence::Present);
        stage.fetched(None);
        for _ in 0..7 * 24 + 1 {
            stage.clock.pass(minutes(60));
            stage.settle().await;
        }
        assert_eq!(stage.presence().await, Presence::Present);
    }
}

#[tokio::test]
async fn a_clock_that_jumps_while_webhooks_are_gathered_is_told_to_all() {
    let stage = watching().await;
    stage.double.asked();
    stage.ring("a").await;
    stage.clock.jump(start() - minutes(180));
    stage.settle().await;
    assert_eq!(stage.double.asked(), ["pull from the beginning"], "the next poll is not three hours away");
    stage.pass_minutes(2).await;
    assert!(stage.double.asked().contains(&"fetch a".to_owned()), "nor what was rung for");
}

#[tokio::test]
async fn marks_are_taken_off_for_good_although_their_case_changes_meanwhile() {
    let stage = watching().await;
    stage.pass_minutes(15).await;
    assert_eq!(stage.flags().await, 1);
    stage.engine.unmark(SOURCE).await.expect("ordered");
    let mut done = change("a", 50);
    done.case.status = Status::Resolved;
    done.marks = stage.double.record.lock().expect("not poisoned").as_ref().expect("a record").marks.clone();
    stage.double.page(Ok(Page { changes: vec![done], ..page(&[], "two") }));
    stage.pass_minutes(1).await;
    let record = stage.double.record.lock().expect("not poisoned");
    assert_eq!(record.as_ref().expect("a record").marks.marker, None);
}
