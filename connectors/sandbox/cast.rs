//! The people of the world: customers with contacts, teams with agents and their shifts, products.
//! One cast for all vendors, so that one customer can have cases in several tools. Knows no vendor's ids.

use crate::dice;
use jiff::{SignedDuration, Timestamp, Zoned, tz::TimeZone};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    Gold,
    Silver,
    Bronze,
}

impl Tier {
    pub fn name(self) -> &'static str {
        match self {
            Tier::Gold => "Gold",
            Tier::Silver => "Silver",
            Tier::Bronze => "Bronze",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Customer {
    pub name: String,
    pub domain: String,
    pub tier: Tier,
    pub country: &'static str,
    pub zone: &'static str,
    /// Indices of its contacts.
    pub contacts: Vec<usize>,
}

#[derive(Clone, Debug)]
pub struct Contact {
    pub customer: usize,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
}

#[derive(Clone, Debug)]
pub struct Team {
    pub name: &'static str,
    pub agents: Vec<usize>,
}

#[derive(Clone, Debug)]
pub struct Agent {
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub team: usize,
    pub zone: &'static str,
    /// Local hours of the shift, Monday to Friday.
    pub from_hour: i8,
    pub to_hour: i8,
}

#[derive(Clone, Debug)]
pub struct Product {
    pub name: &'static str,
    pub team: usize,
}

#[derive(Clone, Debug)]
pub struct Cast {
    pub customers: Vec<Customer>,
    pub contacts: Vec<Contact>,
    pub teams: Vec<Team>,
    pub agents: Vec<Agent>,
    pub products: Vec<Product>,
}

const COMPANIES: &[(&str, &str, Tier, &str, &str)] = &[
    ("Northwind Logistics", "northwind-logistics.example", Tier::Gold, "US", "America/New_York"),
    ("Bergmann Pumpen GmbH", "bergmann-pumpen.example", Tier::Gold, "DE", "Europe/Berlin"),
    ("Castellan Bank", "castellanbank.example", Tier::Gold, "GB", "Europe/London"),
    ("Hikari Robotics", "hikari-robotics.example", Tier::Gold, "JP", "Asia/Tokyo"),
    ("Aurora Health Network", "aurorahealth.example", Tier::Gold, "US", "America/Chicago"),
    ("Oyster Bay Foods", "oysterbayfoods.example", Tier::Silver, "NZ", "Pacific/Auckland"),
    ("Verdant Grid Energy", "verdantgrid.example", Tier::Silver, "NL", "Europe/Amsterdam"),
    ("Lumen & Fitch", "lumenfitch.example", Tier::Silver, "GB", "Europe/London"),
    ("Sahyadri Textiles", "sahyadri-textiles.example", Tier::Silver, "IN", "Asia/Kolkata"),
    ("Polar Star Shipping", "polarstar.example", Tier::Silver, "NO", "Europe/Oslo"),
    ("Quillmark Publishing", "quillmark.example", Tier::Silver, "US", "America/Los_Angeles"),
    ("Serra Azul Mineração", "serra-azul.example", Tier::Silver, "BR", "America/Sao_Paulo"),
    ("Tamarind Hotels", "tamarindhotels.example", Tier::Silver, "SG", "Asia/Singapore"),
    ("Bluepeak Outdoor", "bluepeak.example", Tier::Bronze, "CA", "America/Vancouver"),
    ("Kestrel Analytics", "kestrel-analytics.example", Tier::Bronze, "IE", "Europe/Dublin"),
    ("Maison Tréville", "maison-treville.example", Tier::Bronze, "FR", "Europe/Paris"),
    ("O'Leary Dairy Co-op", "oleary-dairy.example", Tier::Bronze, "IE", "Europe/Dublin"),
    ("Redwood School District", "redwoodschools.example", Tier::Bronze, "US", "America/Denver"),
    ("Nordlicht Studios", "nordlicht-studios.example", Tier::Bronze, "DE", "Europe/Berlin"),
    ("Zephyr Bicycles", "zephyrbikes.example", Tier::Bronze, "DK", "Europe/Copenhagen"),
];

const TEAMS: &[(&str, &str, i8, i8)] = &[
    ("Service Desk", "Europe/London", 8, 18),
    ("Platform Support", "Europe/Berlin", 8, 17),
    ("Network Operations", "America/New_York", 8, 18),
    ("Application Support", "Asia/Kolkata", 9, 18),
    ("Billing Support", "Europe/Dublin", 9, 17),
    ("Identity and Access", "America/Los_Angeles", 8, 17),
];

const PRODUCTS: &[(&str, usize)] = &[
    ("Atlas Gateway", 2),
    ("Atlas Console", 3),
    ("Harbor Storage", 1),
    ("Harbor Backup", 1),
    ("Ledger Billing", 4),
    ("Passport SSO", 5),
    ("Courier Mail", 3),
    ("Beacon Monitoring", 0),
];

const FIRST: &[&str] = &[
    "Ada", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hana", "Ines", "Jonas", "Keiko", "Liam",
    "Mei", "Nadia", "Omar", "Priya", "Quentin", "Rosa", "Sven", "Tomás", "Uma", "Viktor", "Wanjiru",
    "Ximena", "Yusuf", "Zoë",
];

const LAST: &[&str] = &[
    "Almeida",
    "Brandt",
    "Castillo",
    "Dubois",
    "Eriksen",
    "Fischer",
    "Gupta",
    "Haddad",
    "Ivanova",
    "Jensen",
    "Kimura",
    "Lindqvist",
    "Moreau",
    "Nakamura",
    "O'Connor",
    "Petrov",
    "Quist",
    "Rahman",
    "Schneider",
    "Tanaka",
    "Usman",
    "Varga",
    "Weber",
    "Xu",
    "Yilmaz",
    "Zhang",
];

const AGENTS_PER_TEAM: usize = 4;
const CONTACTS_PER_CUSTOMER: usize = 3;
/// The domain of the people who answer.
pub const OWN_DOMAIN: &str = "support.example";

impl Cast {
    pub fn new(seed: u64) -> Cast {
        let mut cast = Cast {
            customers: Vec::new(),
            contacts: Vec::new(),
            teams: TEAMS.iter().map(|(name, ..)| Team { name, agents: Vec::new() }).collect(),
            agents: Vec::new(),
            products: PRODUCTS.iter().map(|(name, team)| Product { name, team: *team }).collect(),
        };
        for (index, (name, domain, tier, country, zone)) in COMPANIES.iter().enumerate() {
            let contacts =
                (0..CONTACTS_PER_CUSTOMER).map(|nth| cast.add_contact(seed, index, domain, nth)).collect();
            let (name, domain) = ((*name).to_owned(), (*domain).to_owned());
            cast.customers.push(Customer { name, domain, tier: *tier, country, zone, contacts });
        }
        for (team, (_, zone, from_hour, to_hour)) in TEAMS.iter().enumerate() {
            for nth in 0..AGENTS_PER_TEAM {
                cast.add_agent(seed, (team, nth), zone, *from_hour, *to_hour);
            }
        }
        cast
    }

    fn add_contact(&mut self, seed: u64, customer: usize, domain: &str, nth: usize) -> usize {
        let index = self.contacts.len();
        let pick = dice::hash(seed, &[b"contact", &customer.to_le_bytes()]) as usize + nth * 7;
        let (first, last) = (FIRST[pick % FIRST.len()], LAST[(pick / 31 + nth * 5) % LAST.len()]);
        let email = format!("{}.{}{}@{domain}", plain(first), plain(last), if nth == 0 { "" } else { "2" });
        self.contacts.push(Contact { customer, first_name: first.into(), last_name: last.into(), email });
        index
    }

    fn add_agent(&mut self, seed: u64, (team, nth): (usize, usize), zone: &'static str, from: i8, to: i8) {
        let index = self.agents.len();
        let pick = dice::hash(seed, &[b"agents"]) as usize % LAST.len();
        let (first, last) =
            (FIRST[(pick + index) % FIRST.len()], LAST[(pick + index * 3 + nth) % LAST.len()]);
        let email = format!("{}.{}@{OWN_DOMAIN}", plain(first), plain(last));
        let (first_name, last_name) = (first.to_owned(), last.to_owned());
        self.agents.push(Agent { first_name, last_name, email, team, zone, from_hour: from, to_hour: to });
        self.teams[team].agents.push(index);
    }

    /// Which vendors a customer uses, of `count`: one to all of them, the same for ever.
    pub fn uses(&self, customer: usize, vendor: usize, count: usize) -> bool {
        let home = customer % count.max(1);
        home == vendor || dice::hash(7, &[&customer.to_le_bytes(), &vendor.to_le_bytes()]) % 10 < 4
    }

    pub fn customer_named(&self, name: &str) -> Option<usize> {
        self.customers
            .iter()
            .position(|customer| customer.name.eq_ignore_ascii_case(name) || customer.domain == name)
    }

    pub fn agent_named(&self, name: &str) -> Option<usize> {
        self.agents
            .iter()
            .position(|agent| agent.full_name() == name || agent.email == name || agent.login() == name)
    }

    pub fn team_named(&self, name: &str) -> Option<usize> {
        self.teams.iter().position(|team| team.name.eq_ignore_ascii_case(name))
    }
}

impl Contact {
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

impl Agent {
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }

    /// The part of the address before the `@`.
    pub fn login(&self) -> &str {
        self.email.split('@').next().unwrap_or(&self.email)
    }

    /// `at`, or the next start of the shift if that is outside it.
    pub fn on_shift(&self, at: Timestamp) -> Timestamp {
        let zone = TimeZone::get(self.zone).unwrap_or(TimeZone::UTC);
        let local = at.to_zoned(zone);
        if working(&local, self.from_hour, self.to_hour) {
            return at;
        }
        let minute = i64::from(local.minute());
        let mut next = local.clone();
        // A week has a shift in it, so this ends.
        for _ in 0..(7 * 24) {
            let Ok(later) = next.checked_add(SignedDuration::from_hours(1)) else { return at };
            next = later;
            if working(&next, self.from_hour, self.to_hour) {
                let start = next.checked_sub(SignedDuration::from_mins(minute / 2)).unwrap_or(next);
                return start.timestamp().max(at);
            }
        }
        at
    }
}

fn working(local: &Zoned, from_hour: i8, to_hour: i8) -> bool {
    let weekday = local.weekday().to_monday_zero_offset() < 5;
    weekday && (from_hour..to_hour).contains(&local.hour())
}

/// A name as it stands in an address: lower case, letters only, accents off.
fn plain(name: &str) -> String {
    name.chars()
        .map(|letter| match letter {
            'á' | 'ã' => 'a',
            'é' | 'ë' => 'e',
            'ö' | 'ó' => 'o',
            other => other,
        })
        .filter(char::is_ascii_alphabetic)
        .collect::<String>()
        .to_lowercase()
}
