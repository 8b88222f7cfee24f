//! What the door to a vendor promises, against a server on loopback.

use super::*;
use crate::bare::Bare;
use crate::clock::{Wake, Woke};
use crate::config::NetworkSettings;
use crate::figure::{measured, wanted};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::any;
use dutyd_connectors::transport::TokenForm;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use url::Url;

/// A clock that stands where it is put.
struct Standing(Mutex<Timestamp>);

impl Standing {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new("2026-03-02T08:00:00Z".parse().expect("an instant"))))
    }

    fn advance(&self, seconds: i64) {
        *self.0.lock().expect("a clock") += SignedDuration::from_secs(seconds);
    }
}

#[async_trait]
impl Clock for Standing {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("a clock")
    }

    async fn sleep_until(&self, _: Option<Timestamp>, _: &Wake) -> Woke {
        Woke::Slept
    }
}

fn budget(response: &Response) -> Option<Budget> {
    let remaining = response.header("x-remaining")?.parse().ok();
    let resets_at = "2026-03-02T08:01:00Z".parse().ok();
    Some(Budget { limit: Some(100), remaining, resets_at })
}

/// What the server saw and how it behaves.
#[derive(Default)]
struct Seen {
    paths: Mutex<Vec<String>>,
    sign_ins: AtomicU64,
    /// Tokens numbered below this are refused.
    valid_from: AtomicU64,
    /// Sign-ins are refused, in these words counted from 1.
    locked: AtomicU64,
}

/// A vendor may repeat what it was sent.
const REFUSALS: [&str; 2] = [
    r#"{"error":"server_error","error_description":"pw s3cret"}"#,
    r#"{"error":"no client with the secret s3cret"}"#,
];

async fn answer(State(seen): State<Arc<Seen>>, uri: Uri, headers: HeaderMap) -> axum::response::Response {
    seen.paths.lock().expect("paths").push(uri.to_string());
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or("none");
    match uri.path() {
        "/token" if seen.locked.load(Ordering::SeqCst) > 0 => {
            let words = REFUSALS[seen.locked.load(Ordering::SeqCst) as usize - 1];
            (StatusCode::UNAUTHORIZED, words).into_response()
        }
        "/token" => {
            let number = seen.sign_ins.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::task::yield_now().await;
            format!(r#"{{"access_token":"token-{number}","expires_in":"1000"}}"#).into_response()
        }
        "/elsewhere" => (StatusCode::FOUND, [("location", "http://127.0.0.2:1/")]).into_response(),
        "/endless" => {
            let chunk = bytes::Bytes::from(vec![b' '; 1024 * 1024]);
            let stream = futures::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
            Body::from_stream(stream).into_response()
        }
        "/late" => ([("date", "Mon, 02 Mar 2026 09:00:00 GMT")], "").into_response(),
        "/spent" => ([("x-remaining", "1")], "").into_response(),
        "/guarded" => {
            let number = authorization.strip_prefix("Bearer token-").and_then(|text| text.parse().ok());
            match number {
                Some(number) if seen.valid_from.load(Ordering::SeqCst) <= number => "in".into_response(),
                _ => StatusCode::UNAUTHORIZED.into_response(),
            }
        }
        _ => authorization.to_owned().into_response(),
    }
}

struct Fixture {
    door: Arc<HttpTransport>,
    seen: Arc<Seen>,
    clock: Arc<Standing>,
    metrics: Arc<Metrics>,
}

async fn fixture(sign_in: SignIn) -> Fixture {
    let seen = Arc::new(Seen::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().fallback(any(answer)).with_state(seen.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    door_to(&origin, sign_in, seen)
}

fn door_to(origin: &str, sign_in: SignIn, seen: Arc<Seen>) -> Fixture {
    let (clock, metrics) = (Standing::new(), Arc::new(Metrics::default()));
    let connector = Bare { budget, ..Bare::new(Url::parse(origin).expect("an address"), sign_in) };
    let client = client(&NetworkSettings::default(), &connector.profile.origin).expect("a client");
    let door = HttpTransport::new("acme", client, Arc::new(connector), clock.clone(), metrics.clone())
        .expect("a door");
    Fixture { door: Arc::new(door), seen, clock, metrics }
}

fn token_form() -> SignIn {
    SignIn::TokenForm(TokenForm {
        path: "/token".to_owned(),
        fields: vec![("grant_type", "client_credentials".to_owned())],
        secrets: vec![("client_secret", SecretString::from("s3cret".to_owned()))],
        as_json: false,
        default_life_seconds: 1_800,
    })
}

fn get(path: &str) -> Request {
    Request::get(path, Lane::Hot)
}

#[test]
fn nothing_leads_away_from_the_configured_origin() {
    let origin =
        Origin::new(&Url::parse("https://acme.example:8443/base/").expect("an address")).expect("one");
    let good =
        ["/", "/api/now/table/incident?a=b%5EORc", "/x?next=https%3A%2F%2Fevil.example", "/a-b_c.d~e/f:g@h"];
    for path in good {
        let url = origin.join(path).expect(path);
        assert_eq!(url.as_str(), format!("https://acme.example:8443/base{path}"));
    }
    let hostile = [
        "",
        "x",
        "//evil.example/",
        "https://evil.example/",
        "http://169.254.169.254/",
        "/\\evil.example",
        "/..//evil.example",
        "/../up",
        "/a/../b",
        "/./a",
        "/%2e%2e/up",
        "/%2E%2E/up",
        "/a%2f..%2fb",
        "/a%5cb",
        "/a\r\nHost: evil",
        "/a%0d%0aHost:%20evil",
        "/a b",
        "/a\tb",
        "/a#b",
        "/a\u{0}",
        "/a%00",
        "/ä",
        "/a//b",
        "/%252e%252e/up",
        "@evil.example/",
        ":80/",
        "?a",
        "/..",
        "/a/..",
        "/\u{7f}",
        "/a?b c",
        "/a?b\\c",
        "/a?b#c",
    ];
    for path in hostile {
        assert!(origin.join(path).is_err(), "{path:?}");
    }
    assert!(origin.join(&format!("/{}", "x".repeat(40_000))).is_err());
}

#[test]
fn an_origin_is_https_or_loopback() {
    let table = [
        ("https://acme.example", true),
        ("http://127.0.0.1:8080", true),
        ("http://[::1]:8080", true),
        ("http://localhost", true),
        ("http://acme.example", false),
        ("http://127.0.0.1.evil.example", false),
        ("http://localhost.evil.example", false),
        ("http://10.0.0.1", false),
        ("ftp://acme.example", false),
        ("https://user@acme.example", false),
        ("https://user:pw@acme.example", false),
        ("https://acme.example/?a", false),
        ("https://acme.example/#a", false),
    ];
    for (address, allowed) in table {
        assert_eq!(Origin::new(&Url::parse(address).expect(address)).is_ok(), allowed, "{address}");
    }
}

#[test]
fn writing_back_is_still_allowed_when_backfill_has_spent_its_share() {
    let clock = Standing::new();
    let allowance = Allowance::new(120, clock.clone());
    let spent = |lane| std::iter::repeat_with(|| allowance.take(lane)).take_while(Result::is_ok).count();
    assert_eq!(spent(Lane::Backfill), 14, "a fifth of 60 % of 120");
    assert_eq!(spent(Lane::Hot), 2, "a fifth of 70 %, less what backfill took");
    assert_eq!(spent(Lane::Write), 8, "a fifth of everything, less what reads took");
    let until = allowance.take(Lane::Write).expect_err("spent");
    assert_eq!(until, clock.now() + SignedDuration::from_secs(6), "half of what may be sent at once");
    clock.advance(6);
    assert!(allowance.take(Lane::Write).is_ok());
}

#[test]
fn whoever_needs_several_requests_in_a_row_gets_them_though_others_begin_anew_each_second() {
    let clock = Standing::new();
    let allowance = Allowance::new(60, clock.clone());
    let in_a_row = |lane| (0..10).take_while(|_| allowance.take(lane).is_ok()).count();
    let mut whole = [0; 2];
    for _ in 0..120 {
        clock.advance(1);
        for (whole, lane) in whole.iter_mut().zip([Lane::Hot, Lane::Write]) {
            *whole += usize::from(in_a_row(lane) == 10);
        }
    }
    assert!(
        whole[0] >= 3 && whole[1] >= 3,
        "of 120 requests or so, whole runs of reads and writes: {whole:?}"
    );
}

#[test]
fn what_the_vendor_says_is_left_is_kept_for_writing_back() {
    let clock = Standing::new();
    let allowance = Allowance::new(6_000, clock.clone());
    let resets_at = clock.now() + SignedDuration::from_secs(30);
    let told =
        |remaining| Budget { limit: Some(100), remaining: Some(remaining), resets_at: Some(resets_at) };
    const MANY: usize = 40;
    // Each count: writes, hot reads, backfill.
    for (remaining, counts) in
        [(50, [MANY; 3]), (35, [MANY, MANY, 10]), (10, [MANY, 5, 5]), (1, [MANY, 0, 0]), (0, [0; 3])]
    {
        let allowance = Allowance::new(6_000, clock.clone());
        allowance.told(told(remaining));
        for (lane, count) in [Lane::Write, Lane::Hot, Lane::Backfill].into_iter().zip(counts) {
            let sent = (0..MANY).take_while(|_| allowance.take(lane).is_ok()).count();
            assert_eq!(sent, count, "{lane:?} of {remaining} left");
            let refused = (sent < MANY).then(|| allowance.take(lane).expect_err("spent"));
            assert!(refused.is_none_or(|until| until == resets_at));
        }
    }
    allowance.told(told(0));
    assert_eq!([Lane::Write, Lane::Backfill].map(|lane| allowance.take(lane)), [Err(resets_at); 2]);
    clock.advance(31);
    assert!(allowance.take(Lane::Backfill).is_ok(), "a new window");
}

#[test]
fn a_share_that_others_keep_spent_slows_reading_and_stops_no_write() {
    let clock = Standing::new();
    let allowance = Allowance::new(6_000, clock.clone());
    // A window that has no end: every answer says the same of the next quarter of an hour.
    let answer = |remaining| {
        let resets_at = Some(clock.now() + SignedDuration::from_mins(15));
        allowance.told(Budget { limit: Some(100_000), remaining: Some(remaining), resets_at });
    };
    answer(5_000);
    let (mut hot, mut backfill) = (Vec::new(), 0);
    for second in 0..6 * 3_600 {
        clock.advance(1);
        if second % 60 == 0 {
            allowance.take(Lane::Write).expect("writing back goes on");
            answer(5_000);
        }
        if second % 15 == 0 && allowance.take(Lane::Hot).is_ok() {
            hot.push(second);
        }
        backfill += usize::from(allowance.take(Lane::Backfill).is_ok());
    }
    assert_eq!((hot.len(), backfill), (240, 240), "ten in each quarter of an hour");
    let pause = hot.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert!(pause.is_some_and(|pause| pause <= 15 * 60), "{pause:?}");
    answer(45_000);
    assert_eq!((0..100).filter(|_| allowance.take(Lane::Hot).is_ok()).count(), 100, "within its share again");
}

#[tokio::test]
async fn basic_and_bearer_are_sent_as_they_should() {
    let password = SecretString::from("pässword".to_owned());
    let basic = fixture(SignIn::Basic { user: "dutyd".to_owned(), password }).await;
    let echoed = basic.door.send(get("/")).await.expect("an answer");
    assert_eq!(echoed.body, "Basic ZHV0eWQ6cMOkc3N3b3Jk");
    let bearer = fixture(SignIn::Bearer { token: SecretString::from("abc".to_owned()) }).await;
    assert_eq!(bearer.door.send(get("/")).await.expect("an answer").body, "Bearer abc");
}

#[tokio::test]
async fn a_secret_with_a_line_break_is_a_sign_in_problem_and_not_a_panic() {
    let broken = fixture(SignIn::Bearer { token: SecretString::from("a\nb".to_owned()) }).await;
    assert!(matches!(broken.door.send(get("/")).await, Err(TransportError::SignedOut { .. })));
    assert!(broken.seen.paths.lock().expect("paths").is_empty(), "nothing was sent");
}

/// G29. Each task is one of its own, on several threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_tasks_that_meet_an_expired_token_sign_in_once() {
    let expiries = wanted("DUTYD_EXPIRIES", 20);
    let fixture = fixture(token_form()).await;
    fixture.door.send(get("/guarded")).await.expect("an answer");
    for nth in 1..=expiries {
        fixture.seen.valid_from.store(nth + 1, Ordering::SeqCst);
        // Long enough for the allowance of so many requests.
        fixture.clock.advance(2);
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let door = fixture.door.clone();
                tokio::spawn(async move { door.send(get("/guarded")).await })
            })
            .collect();
        for answer in futures::future::join_all(tasks).await {
            let answer = answer.expect("no panic").expect("an answer");
            assert_eq!(answer.status, 200, "expiry {nth}");
        }
        let sign_ins = fixture.seen.sign_ins.load(Ordering::SeqCst);
        assert_eq!(sign_ins, nth + 1, "the first token, and one after each expiry");
    }
    measured("G29", &format!("{expiries} expiries met by 64 tasks each: {expiries} sign-ins"));
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_too_is_not_tried_again() {
    let fixture = fixture(token_form()).await;
    fixture.seen.valid_from.store(u64::MAX, Ordering::SeqCst);
    let answer = fixture.door.send(get("/guarded")).await.expect("an answer");
    assert_eq!(answer.status, 401);
    let paths = fixture.seen.paths.lock().expect("paths").clone();
    assert_eq!(paths, ["/token", "/guarded", "/token", "/guarded"]);
}

#[tokio::test]
async fn a_token_is_renewed_after_four_fifths_of_its_life() {
    let fixture = fixture(token_form()).await;
    for (advance, expected) in [(0, "Bearer token-1"), (799, "Bearer token-1"), (2, "Bearer token-2")] {
        fixture.clock.advance(advance);
        assert_eq!(fixture.door.send(get("/")).await.expect("an answer").body, expected);
    }
}

#[tokio::test]
async fn a_refused_sign_in_is_not_repeated_for_a_minute_and_tells_no_secret() {
    let fixture = fixture(token_form()).await;
    fixture.seen.locked.store(1, Ordering::SeqCst);
    for _ in 0..5 {
        let error = fixture.door.send(get("/")).await.expect_err("locked");
        assert_eq!(error.to_string(), "sign-in failed: the token endpoint answered 401 (server_error)");
    }
    assert_eq!(*fixture.seen.paths.lock().expect("paths"), ["/token"]);
    fixture.seen.locked.store(2, Ordering::SeqCst);
    fixture.clock.advance(61);
    let error = fixture.door.send(get("/")).await.expect_err("locked");
    assert_eq!(error.to_string(), "sign-in failed: the token endpoint answered 401");
    fixture.seen.locked.store(0, Ordering::SeqCst);
    fixture.clock.advance(61);
    assert!(fixture.door.send(get("/")).await.is_ok());
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let fixture = fixture(SignIn::Bearer { token: SecretString::from("abc".to_owned()) }).await;
    assert_eq!(fixture.door.send(get("/elsewhere")).await.expect("an answer").status, 302);
    assert_eq!(*fixture.seen.paths.lock().expect("paths"), ["/elsewhere"]);
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let fixture = fixture(SignIn::None).await;
    let error = fixture.door.send(get("/endless")).await.expect_err("too long");
    assert!(matches!(&error, TransportError::NoAnswer { reason } if reason.contains("32 MiB")), "{error}");
}

#[tokio::test]
async fn a_request_that_never_left_is_told_from_one_without_answer() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        format!("http://{}", listener.local_addr().expect("an address"))
    };
    let fixture = door_to(&closed, SignIn::None, Arc::default());
    let error = fixture.door.send(get("/")).await.expect_err("nobody there");
    assert!(matches!(error, TransportError::NotSent { .. }), "{error}");
    assert_eq!(fixture.metrics.requests_sent("acme"), 0);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = format!("http://{}", listener.local_addr().expect("an address"));
    let hangs_up = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let mut head = [0; 16];
        tokio::io::AsyncReadExt::read(&mut socket, &mut head).await.expect("a request");
    });
    let fixture = door_to(&silent, SignIn::None, Arc::default());
    let request = Request::json(Method::Patch, "/", "{}", Lane::Write);
    let error = fixture.door.send(request).await.expect_err("hung up");
    assert!(matches!(error, TransportError::NoAnswer { .. }), "{error}");
    assert_eq!(fixture.metrics.requests_sent("acme"), 1, "it may have arrived");
    hangs_up.await.expect("the server");
}

#[tokio::test]
async fn a_path_that_leaves_the_origin_is_refused_before_anything_is_sent() {
    let fixture = fixture(SignIn::None).await;
    let error = fixture.door.send(get("//evil.example/")).await.expect_err("refused");
    assert!(matches!(error, TransportError::Forbidden { .. }), "{error}");
    assert!(fixture.seen.paths.lock().expect("paths").is_empty());
}

#[tokio::test]
async fn the_vendors_clock_is_read_from_its_answers() {
    let fixture = fixture(SignIn::None).await;
    fixture.door.send(get("/late")).await.expect("an answer");
    assert_eq!(fixture.door.offset(), SignedDuration::from_millis(3_600_500));
    assert_eq!(fixture.door.vendor_now(), fixture.clock.now() + fixture.door.offset());
}

/// A flag is never early by the vendor's time, however long an answer takes and whenever the vendor looked at its clock.
#[test]
fn our_idea_of_the_vendors_time_is_not_ahead_of_it() {
    let sent_at: Timestamp = "2026-03-02T09:00:00.3Z".parse().expect("an instant");
    // The header's grain.
    let ahead_max = SignedDuration::from_millis(500);
    for (truth, slow, looked) in
        [(-7_200, 20, 0), (-60, 12, 6), (60, 12, 0), (60, 12, 12), (7_200, 40, 1), (30, 40, 20)]
    {
        let truth = SignedDuration::from_secs(truth);
        let came_at = sent_at + SignedDuration::from_secs(slow);
        let date = sent_at + SignedDuration::from_secs(looked) + truth;
        let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let answer =
            Response { status: 200, headers: vec![("date".to_owned(), date)], body: bytes::Bytes::new() };
        let told = clock_offset(&answer, (sent_at, came_at), SignedDuration::ZERO).expect("a clock");
        assert!(told <= truth + ahead_max, "{truth:#}, {slow} s: {told:#}");
        assert!(told >= truth - SignedDuration::from_secs(slow + 1), "{truth:#}, {slow} s: {told:#}");
    }
}

#[tokio::test]
async fn what_the_vendor_says_in_a_header_holds_reads_back() {
    let fixture = fixture(SignIn::None).await;
    fixture.door.send(get("/spent")).await.expect("an answer");
    let error = fixture.door.send(get("/")).await.expect_err("held back");
    assert!(matches!(error, TransportError::Throttled { .. }), "{error}");
    assert!(fixture.door.send(Request::get("/", Lane::Write)).await.is_ok());
}
