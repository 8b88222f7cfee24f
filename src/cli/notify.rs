//! `dutyd notify`: which channels there are, how their messages look, and a test message to one.

use super::outcome::tell;
use super::{Exit, Failure, Format, print_bytes, print_json};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Place, shipped};
use crate::http::{Door, PostError};
use crate::notify::{Channel, Content, Kind, Letter, Parcel, Threshold, sample_digest, sample_flags};
use clap::{Args, Subcommand};
use dutyd_core::problem::nearest;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Flags of one test, at most.
const COUNT_MAX: u16 = 100;

/// What to do with channels.
#[derive(Debug, Subcommand)]
pub enum Notify {
    /// List the channels and what each is told.
    List,
    /// Print the documented file of a kind of channel, to be put into notify/.
    Example {
        /// The way by which people are told.
        #[arg(value_parser = shipped::CHANNELS.iter().map(|(kind, _)| *kind).collect::<Vec<_>>())]
        kind: String,
    },
    /// Send a test message, marked as a test.
    Test(Test),
}

#[derive(Debug, Args)]
pub struct Test {
    /// Name of the channel.
    pub channel: String,
    /// Show the message instead of sending it. Secrets are neither needed nor shown.
    #[arg(long)]
    pub show: bool,
    /// A message of so many flags at once.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "digest",
        value_parser = clap::value_parser!(u16).range(1..=i64::from(COUNT_MAX)))]
    pub flags: u16,
    /// A daily digest.
    #[arg(long)]
    pub digest: bool,
}

pub fn run(place: &Place, what: &Notify, format: Format) -> Result<Exit, Failure> {
    if let Notify::Example { kind } = what {
        return print_bytes(shipped::channel(kind).unwrap_or_default().as_bytes());
    }
    match what {
        Notify::List | Notify::Example { .. } => list(&unsigned(place)?, format),
        Notify::Test(test) if test.show => {
            let channels = unsigned(place)?;
            let channel = choose(&channels, &test.channel)?;
            show(channel, &letters(channel, test, SystemClock::default().now()))
        }
        Notify::Test(test) => {
            let config = Config::load(place).map_err(|problems| Failure::config(&problems))?;
            let channel = choose(&config.channels, &test.channel)?;
            let letters = letters(channel, test, SystemClock::default().now());
            let door = Door::new(channel, &config.settings.network)
                .map_err(|reason| Failure::new(Exit::Config, reason))?;
            send(channel, &door, &letters, format)
        }
    }
}

/// The channels whose files can be read; their secrets are not asked for. What is wrong in others is told on stderr.
fn unsigned(place: &Place) -> Result<Vec<Channel>, Failure> {
    let (settings, problems) = config::settings_as_far(&place.dir);
    if !place.dir.is_dir() {
        return Err(Failure::config(&problems));
    }
    let (channels, of_channels) = config::channels_unsigned(&place.dir, &settings);
    tell(problems.iter().chain(&of_channels));
    Ok(channels)
}

fn list(channels: &[Channel], format: Format) -> Result<Exit, Failure> {
    let line = |channel: &Channel| {
        let from = match channel.severity {
            Threshold::Candidate => "candidate",
            Threshold::Critical => "critical",
        };
        let digest = channel.digest.map(|at| at.0.strftime("%H:%M").to_string());
        json!({
            "name": channel.name, "kind": channel.kind.word(), "from": from, "sources": channel.sources,
            "teams": channel.teams, "observe": channel.observe, "digest": digest,
        })
    };
    let lines: Vec<Value> = channels.iter().map(line).collect();
    if format == Format::Json {
        return print_json(&lines);
    }
    let of = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let names = |line: &Value, key: &str| {
        let names: Vec<&str> = line[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if names.is_empty() { format!("all {key}") } else { names.join(", ") }
    };
    let mut text: String = lines
        .iter()
        .map(|line| {
            let digest = line["digest"].as_str().map(|at| format!(", digest at {at}")).unwrap_or_default();
            format!(
                "{}  {}  from {}; {}; {}{digest}\n",
                of(line, "name"),
                of(line, "kind"),
                of(line, "from"),
                names(line, "sources"),
                names(line, "teams")
            )
        })
        .collect();
    if text.is_empty() {
        text = "nobody is told: put a channel's file into notify/; dutyd notify example KIND prints one\n"
            .to_owned();
    }
    print_bytes(text.as_bytes())
}

fn choose<'a>(channels: &'a [Channel], name: &str) -> Result<&'a Channel, Failure> {
    channels.iter().find(|channel| channel.name == name).ok_or_else(|| {
        let names: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
        let near = nearest(name, names.iter().copied());
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let message = format!("no channel is called `{name}`{hint} (known: {})", names.join(", "));
        Failure::new(Exit::Problems, message)
    })
}

/// PagerDuty takes one flag at a time, and is told at once that the test is over.
fn letters(channel: &Channel, test: &Test, now: Timestamp) -> Vec<Letter> {
    let letter = |content: Vec<Content>| Letter {
        id: format!("msg_test_{}", now.as_millisecond()),
        now,
        content,
        test: true,
    };
    if test.digest {
        return vec![letter(sample_digest(now))];
    }
    let flags = sample_flags(usize::from(test.flags), now);
    match channel.kind {
        Kind::PagerDuty { .. } => {
            let over = |content: &Content| match content {
                Content::Flag(flag) => {
                    Content::Flag(Box::new(crate::notify::FlagNotice { clears: true, ..(**flag).clone() }))
                }
                Content::Digest(digest) => Content::Digest(digest.clone()),
            };
            flags.iter().flat_map(|flag| [letter(vec![flag.clone()]), letter(vec![over(flag)])]).collect()
        }
        _ => vec![letter(flags)],
    }
}

fn show(channel: &Channel, letters: &[Letter]) -> Result<Exit, Failure> {
    for letter in letters {
        let parcel = channel.parcel(letter).map_err(|reason| Failure::new(Exit::Problems, reason))?;
        let text = match parcel {
            Parcel::Mail(mail) => {
                format!(
                    "Message-ID: {}\nSubject: {}\n\n{}\n{}\n",
                    mail.id, mail.subject, mail.text, mail.html
                )
            }
            Parcel::Post(post) => {
                let mut body: Value = serde_json::from_str(&post.body).unwrap_or_default();
                if body.get("routing_key").is_some() {
                    body["routing_key"] = json!("***");
                }
                let header = |(name, value): &(&str, String)| match *name {
                    "webhook-signature" => format!("{name}: v1,***\n"),
                    name => format!("{name}: {value}\n"),
                };
                let headers: String = post.headers.iter().map(header).collect();
                format!("{headers}\n{}\n", serde_json::to_string_pretty(&body).unwrap_or_default())
            }
        };
        print_bytes(text.as_bytes())?;
    }
    Ok(Exit::Done)
}

fn send(channel: &Channel, door: &Door, letters: &[Letter], format: Format) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::io(error.to_string()))?;
    for letter in letters {
        let parcel = channel.parcel(letter).map_err(|reason| Failure::new(Exit::Problems, reason))?;
        match runtime.block_on(door.send(parcel, letter.now)) {
            Ok(()) => {}
            Err(PostError::Later { because, .. }) => return Err(Failure::new(Exit::Unreachable, because)),
            Err(PostError::Refused { because }) => return Err(Failure::new(Exit::Problems, because)),
        }
    }
    let said = format!("{} took the test message; see whether it arrived where people look", channel.name);
    match format {
        Format::Json => print_json(&json!({ "said": said })),
        Format::Text => print_bytes(format!("{said}\n").as_bytes()),
    }
}
