//! Webhooks on their way: delivered, delivered again, forged.

use super::run::Simulation;
use axum::body::Body;
use dutyd_sandbox::dice;
use dutyd_sandbox::hooks::Rendered;
use jiff::SignedDuration;
use tower::ServiceExt as _;

impl Simulation {
    /// Delivers the webhooks that are due.
    pub async fn ring(&mut self) {
        let now = self.clock.vendor_now();
        for ring in self.sandbox.inner.stage.hooks.take(now) {
            let vendor = self.sandbox.inner.vendor(ring.vendor).expect("it plays");
            let Some(rendered) = vendor.render(&ring, now) else { continue };
            self.heard.push((ring.vendor, rendered.clone()));
            let again = dice::hash(now.as_second().cast_unsigned(), &[ring.key.as_bytes()]) % self.rings_max;
            for _ in 0..again {
                self.deliver(ring.vendor, rendered.clone()).await;
                self.ledger.tell("webhooks delivered again", 1);
            }
            let status = self.deliver(ring.vendor, rendered).await;
            let Some(status) = status else {
                if let Some(at) = vendor.delivered(&ring, None, now) {
                    self.sandbox.inner.stage.hooks.again(at, ring);
                }
                continue;
            };
            self.ledger.tell("webhooks delivered", 1);
            self.say(format_args!("rung by {}: {status}", ring.vendor));
            if !(200..300).contains(&status) && self.clock.wrong_by().abs() < SignedDuration::from_mins(2) {
                self.breaks(format_args!("a genuine webhook of {} was answered {status}", ring.vendor));
            }
            if let Some(again) = vendor.delivered(&ring, Some(status), now) {
                self.sandbox.inner.stage.hooks.again(again, ring);
            }
        }
    }

    /// The status of the answer; `None`: the process died over it.
    async fn deliver(&mut self, vendor: &str, rendered: Rendered) -> Option<u16> {
        let mut request = axum::http::Request::builder().method("POST").uri(format!("/hooks/{vendor}"));
        for (name, value) in rendered.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(rendered.body)).expect("a request");
        let intake = self.live().await.intake.clone();
        tokio::select! {
            biased;
            Ok(answer) = intake.oneshot(request) => Some(answer.status().as_u16()),
            () = self.steps.dies.notified() => {
                self.end_life();
                None
            }
        }
    }

    /// A stranger's delivery is refused; a repeated one is refused or changes nothing.
    pub async fn forge(&mut self, source: usize, replay: bool) {
        let name = self.desks[source].name;
        let heard = self.heard.iter().rev().find(|(vendor, _)| *vendor == name).cloned();
        let Some((_, mut rendered)) = heard else { return };
        if !replay {
            rendered.body.push(b' ');
        }
        let Some(status) = self.deliver(name, rendered).await else { return };
        self.ledger.tell(if replay { "webhooks said again" } else { "webhooks forged" }, 1);
        self.say(format_args!("forged: {status}"));
        if !replay && (200..300).contains(&status) {
            self.breaks(format_args!("a forged webhook of {name} was answered {status}"));
        }
    }
}
