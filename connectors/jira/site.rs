//! What is fixed about one Jira: our own account, which field is which, what category a status has.
//! Read once per run, because it changes when an administrator changes it.

use super::config::{Columns, Config};
use super::wire::{Field, Status, User};
use std::collections::BTreeMap;

/// The site as measured.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// Account id (Data Center: user key) that our requests run as.
    pub account: String,
    pub ids: FieldIds,
    /// Category by status id, and by name in lower case for statuses of other ids.
    pub categories: BTreeMap<String, String>,
}

/// Ids of the fields that hold what rules read. `None`: the site has no such field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldIds {
    pub organizations: Option<String>,
    pub request_type: Option<String>,
    pub customer: Option<String>,
    pub tier: Option<String>,
    pub contract: Option<String>,
    pub team: Option<String>,
    pub product: Option<String>,
    /// By the name that rules use.
    pub custom: BTreeMap<String, String>,
}

/// Fields of every issue that we read.
const FIELDS: [&str; 17] = [
    "summary",
    "status",
    "priority",
    "issuetype",
    "project",
    "labels",
    "assignee",
    "reporter",
    "creator",
    "created",
    "updated",
    "resolutiondate",
    "duedate",
    "issuelinks",
    "components",
    "description",
    "comment",
];

impl FieldIds {
    /// Looks up what the administrator names, by id or by name. A field that is not there is not read; `missing` says
    /// which ones these are.
    pub fn resolve(config: &Config, known: &[Field]) -> Self {
        let Columns { customer, tier, contract, team, product } = &config.columns;
        // Vendor: names are translated and not unique; the type of a custom field is neither
        // (developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-fields).
        let of_type = |kind: &str| {
            let is = |field: &&Field| {
                field.schema.as_ref().and_then(|schema| schema.custom.as_deref()) == Some(kind)
            };
            known.iter().find(is).map(|field| field.id.clone())
        };
        Self {
            organizations: of_type("com.atlassian.servicedesk:sd-customer-organizations"),
            request_type: of_type("com.atlassian.servicedesk:vp-origin"),
            customer: find(customer, known),
            tier: find(tier, known),
            contract: find(contract, known),
            team: find(team, known),
            product: find(product, known),
            custom: config
                .fields
                .iter()
                .filter_map(|(name, wanted)| Some((name.clone(), find(wanted, known)?)))
                .collect(),
        }
    }

    /// Every field to ask for.
    pub fn wanted(&self) -> Vec<String> {
        let optional = [
            &self.organizations,
            &self.request_type,
            &self.customer,
            &self.tier,
            &self.contract,
            &self.team,
            &self.product,
        ];
        let mut fields: Vec<String> = FIELDS.iter().map(|name| (*name).to_owned()).collect();
        fields.extend(optional.into_iter().flatten().chain(self.custom.values()).cloned());
        fields.sort_unstable();
        fields.dedup();
        fields
    }
}

/// The configured names that the site has no field for, with the key that names them.
pub fn missing(config: &Config, known: &[Field]) -> Vec<(String, String)> {
    let Columns { customer, tier, contract, team, product } = &config.columns;
    let columns = [
        ("columns.customer", customer),
        ("columns.tier", tier),
        ("columns.contract", contract),
        ("columns.team", team),
        ("columns.product", product),
    ];
    let columns = columns.into_iter().map(|(key, name)| (key.to_owned(), name.clone()));
    let fields = config.fields.iter().map(|(name, field)| (format!("fields.{name}"), field.clone()));
    columns.chain(fields).filter(|(_, name)| !name.is_empty() && find(name, known).is_none()).collect()
}

fn find(wanted: &str, known: &[Field]) -> Option<String> {
    if wanted.is_empty() {
        return None;
    }
    let exact = known.iter().find(|field| field.id == wanted);
    let named = || known.iter().find(|field| field.name.eq_ignore_ascii_case(wanted));
    exact.or_else(named).map(|field| field.id.clone())
}

impl Site {
    pub fn new(config: &Config, me: &User, fields: &[Field], statuses: &[Status]) -> Self {
        let mut categories = BTreeMap::new();
        for status in statuses {
            let category = status.status_category.as_ref().map_or("", |category| category.key.as_str());
            categories.entry(status.name.to_lowercase()).or_insert_with(|| category.to_owned());
            categories.insert(status.id.clone(), category.to_owned());
        }
        Self {
            account: me.id().unwrap_or_default().to_owned(),
            ids: FieldIds::resolve(config, fields),
            categories,
        }
    }

    /// The category of a status by its id, else by its name.
    pub fn category(&self, id: &str, name: &str) -> Option<&str> {
        self.categories.get(id).or_else(|| self.categories.get(&name.to_lowercase())).map(String::as_str)
    }
}
