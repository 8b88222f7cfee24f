//! The first import, beside fetching and discarding the very same answers.

use crate::place::{CONNECTIONS, PAGE_SIZE, Place, Sandbox, Wishes};
use dutyd::daemon::DATABASE;
use dutyd::store::sqlite::SqliteStore;
use dutyd::store::{Store, open_state};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use std::time::{Duration, Instant};

const TIME_MAX: Duration = Duration::from_secs(1_800);

pub async fn measure(cases: u64) -> anyhow::Result<()> {
    let sandbox = Sandbox::start(cases)?;
    let wishes = Wishes { mode: "observe", requests_per_minute: 100_000 };
    let place = Place::new(&sandbox, &wishes)?;
    let began = Instant::now();
    let (daemon, _) = place.daemon()?;
    place.read(cases, TIME_MAX).await?;
    let read = began.elapsed();
    let status = place.settled(cases, TIME_MAX).await?;
    let seconds = began.elapsed().as_secs_f64();
    let (peak, cpu) = (daemon.peak_mb()?, daemon.cpu_seconds()?);
    daemon.stop()?;

    let paths = requests(&sandbox.journal(0).await?);
    let at_once = CONNECTIONS - 1;
    let mut bare = Vec::new();
    let mut bytes = 0;
    for _ in 0..2 {
        let began = Instant::now();
        bytes = stream::iter(&paths)
            .map(|path| sandbox.fetch(path))
            .buffered(at_once)
            .try_fold(0, |sum, length| async move { Ok(sum + length) })
            .await?;
        bare.push(began.elapsed().as_secs_f64());
    }
    let limit = bare.iter().sum::<f64>() / bare.len() as f64;
    let events = events(&place).await?;
    println!(
        "import: {} cases, {events:.1} events per case, {} requests, {:.0} MB, page size {PAGE_SIZE}, {at_once} read at a time",
        status.counts.cases,
        paths.len(),
        bytes as f64 / 1e6,
    );
    println!(
        "  dutyd until nothing is due  {seconds:8.1} s   ({:.0} cases/s, {cpu:.1} s of processor time)",
        cases as f64 / seconds
    );
    println!("  dutyd until all is read     {:8.1} s", read.as_secs_f64());
    println!("  fetched and discarded       {limit:8.1} s   (twice: {:.1} s, {:.1} s)", bare[0], bare[1]);
    println!("  ratio                       {:8.2}     (goal at most 2)", seconds / limit);
    println!("  peak memory                 {peak:8.1} MB  (goal at most 150)");
    Ok(())
}

/// Addresses of what was read, in order.
fn requests(journal: &[Value]) -> Vec<String> {
    let read = journal.iter().filter(|entry| entry["method"] == "GET" && entry["status"] == 200);
    read.filter_map(|entry| entry["path"].as_str().map(str::to_owned)).collect()
}

/// Events per case in the daemon's own database: the mean over the first thousand.
async fn events(place: &Place) -> anyhow::Result<f64> {
    let store = SqliteStore::open_to_read(&place.state().join(DATABASE))?;
    let rows = store.states(0, 1_000).await?;
    let mut events = 0;
    for row in &rows {
        events += open_state(&row.state)?.events.len();
    }
    Ok(events as f64 / rows.len().max(1) as f64)
}
