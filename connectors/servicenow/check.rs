//! Measuring the account and the instance: who are we, what may we read, are our columns there.
//!
//! Vendor: rows that an account may not read are missing without an error, so "no rows" and "no rights" look alike;
//! findings say "none visible" where that is all that can be known.

use super::ServiceNow;
use super::config::Table;
use super::query::{List, fields_of, is_literal, parse_stamp, stamp};
use super::wire::{Problem, Row};
use crate::{ConnectorError, Ctx, Finding, Identity, Lane};
use dutyd_core::case::Party;
use dutyd_core::policy::Listed;
use std::collections::BTreeSet;

const GMT: [&str; 5] = ["GMT", "UTC", "Etc/UTC", "Etc/GMT", "Greenwich"];
/// Text columns shorter than this cut the list of flags.
const FLAGS_LENGTH_MIN: u32 = 1_000;

/// What one question brought.
enum Probe {
    Rows(Vec<Row>),
    Refused(String),
}

/// Customers that are looked at for shared e-mail domains.
const CUSTOMERS_MAX: u32 = 1_000;

impl ServiceNow {
    pub(super) async fn measure(&self, cx: &Ctx<'_>) -> Result<Identity, ConnectorError> {
        let mut identity = Identity { account: self.config.user.clone(), ..Identity::default() };
        self.measure_account(cx, &mut identity).await?;
        for table in &self.config.tables {
            self.measure_table(cx, *table, &mut identity.findings).await?;
            self.measure_columns(cx, *table, &mut identity.findings).await?;
            self.measure_webhook(cx, *table, &mut identity.findings).await?;
        }
        self.measure_history(cx, &mut identity.findings).await?;
        for table in &self.config.tables {
            identity.customers.extend(self.customers(cx, *table).await?);
        }
        Ok(identity)
    }

    /// Companies or accounts with the address of their site; none where the account may not read them.
    async fn customers(&self, cx: &Ctx<'_>, table: Table) -> Result<Vec<Listed>, ConnectorError> {
        let of = match table {
            Table::Incident => "core_company",
            Table::CustomerCase => "customer_account",
        };
        let query = "websiteISNOTEMPTY^ORDERBYsys_id".to_owned();
        let asked = self.probe(cx, of, query, "sys_id,name,website", CUSTOMERS_MAX).await?;
        let Probe::Rows(rows) = asked else { return Ok(Vec::new()) };
        let listed = rows.iter().map(|row| Listed {
            source: self.source.clone(),
            customer: Party { id: text(row, "sys_id").to_owned(), name: text(row, "name").to_owned() },
            domains: vec![text(row, "website").to_owned()],
        });
        Ok(listed.collect())
    }

    async fn probe(
        &self,
        cx: &Ctx<'_>,
        table: &str,
        query: String,
        fields: &str,
        limit: u32,
    ) -> Result<Probe, ConnectorError> {
        let list = List::new(table, query, fields, limit);
        match self.list(cx, &list, Lane::Hot).await {
            Ok(page) => Ok(Probe::Rows(
                page.rows.iter().filter_map(|raw| serde_json::from_str(raw.get()).ok()).collect(),
            )),
            Err(Problem::Failed(ConnectorError::Refused { reason, .. })) => Ok(Probe::Refused(reason)),
            Err(problem) => Err(problem.into_error()),
        }
    }

    async fn measure_account(&self, cx: &Ctx<'_>, identity: &mut Identity) -> Result<(), ConnectorError> {
        let user = &self.config.user;
        let fields = "sys_id,user_name,time_zone,web_service_access_only";
        let Probe::Rows(rows) = self.probe(cx, "sys_user", format!("user_name={user}"), fields, 1).await?
        else {
            identity.findings.push(Finding::new(
                false,
                "sys_user may not be read",
                "give the account read access to sys_user",
            ));
            return Ok(());
        };
        let Some(row) = rows.first().filter(|row| text(row, "user_name") == *user) else {
            identity.findings.push(Finding::new(
                true,
                format!("no account {user:?} is visible"),
                "set `user` to the user name that dutyd signs in as: our own edits are recognised by it",
            ));
            return Ok(());
        };
        let zone = text(row, "time_zone");
        identity.time_zone = Some(zone.to_owned()).filter(|zone| !zone.is_empty());
        if !GMT.contains(&zone) {
            let named = if zone.is_empty() { "the instance's default" } else { zone };
            identity.findings.push(Finding::new(
                false,
                format!("the account's time zone is {named}, not GMT"),
                "set the account's time zone to GMT: some instances read instants in queries in that zone",
            ));
        }
        if text(row, "web_service_access_only") == "false" {
            identity.findings.push(Finding::new(
                false,
                "the account can also sign in with a browser",
                "set \"Web service access only\" on the account",
            ));
        }
        self.measure_roles(cx, text(row, "sys_id"), &mut identity.findings).await
    }

    async fn measure_roles(
        &self,
        cx: &Ctx<'_>,
        user: &str,
        findings: &mut Vec<Finding>,
    ) -> Result<(), ConnectorError> {
        if !super::query::is_sys_id(user) {
            return Ok(());
        }
        let asked = self.probe(cx, "sys_user_has_role", format!("user={user}"), "role.name", 500).await?;
        let Probe::Rows(rows) = asked else { return Ok(()) };
        let held: BTreeSet<&str> = rows.iter().map(|row| text(row, "role.name")).collect();
        for role in ["admin", "security_admin", "itil_admin"].into_iter().filter(|role| held.contains(role)) {
            findings.push(Finding::new(
                false,
                format!("the account has the role {role}: it could change and delete anything"),
                "take the role away; `dutyd setup servicenow` lists the few rights that are needed",
            ));
        }
        Ok(())
    }

    async fn measure_table(
        &self,
        cx: &Ctx<'_>,
        table: Table,
        findings: &mut Vec<Finding>,
    ) -> Result<(), ConnectorError> {
        let name = table.name();
        let order = "ORDERBYDESCsys_updated_on";
        let scope = &self.config.scope;
        let query = if scope.is_empty() { order.to_owned() } else { format!("{scope}^{order}") };
        let rows = match self.probe(cx, name, query, "sys_id,sys_updated_on", 1).await? {
            Probe::Rows(rows) => rows,
            Probe::Refused(reason) => {
                let remedy = "give the account read access, or take the table out of `tables`";
                findings.push(Finding::new(true, format!("{name} may not be read: {reason}"), remedy));
                return Ok(());
            }
        };
        match rows.first() {
            None => findings.push(Finding::new(
                false,
                format!("no record of {name} is visible in scope"),
                "check the scope and the account's read access (rows without access are missing silently)",
            )),
            Some(row) => self.measure_zone(cx, name, row, findings).await?,
        }
        Ok(())
    }

    /// Asks for a record that was just read by its id and its very second.
    async fn measure_zone(
        &self,
        cx: &Ctx<'_>,
        table: &str,
        row: &Row,
        findings: &mut Vec<Finding>,
    ) -> Result<(), ConnectorError> {
        let (id, at) = (text(row, "sys_id"), parse_stamp(text(row, "sys_updated_on")));
        let Some(at) = at.map(stamp).filter(|_| super::query::is_sys_id(id)) else { return Ok(()) };
        let query = format!("sys_id={id}^sys_updated_on={at}");
        let Probe::Rows(same) = self.probe(cx, table, query, "sys_id,sys_updated_on", 1).await? else {
            return Ok(());
        };
        if !same.is_empty() {
            return Ok(());
        }
        // It may just have changed; then the stamp of now differs.
        let now = self.probe(cx, table, format!("sys_id={id}"), "sys_id,sys_updated_on", 1).await?;
        let Probe::Rows(now) = now else { return Ok(()) };
        if now
            .first()
            .is_some_and(|row| parse_stamp(text(row, "sys_updated_on")).map(stamp).as_deref() == Some(&at))
        {
            findings.push(Finding::new(
                true,
                "the instance reads instants in queries in another zone than UTC: changes would be missed",
                "set the account's time zone to GMT",
            ));
        }
        Ok(())
    }

    /// Whether our columns and those named by the configuration exist.
    async fn measure_columns(
        &self,
        cx: &Ctx<'_>,
        table: Table,
        findings: &mut Vec<Finding>,
    ) -> Result<(), ConnectorError> {
        let marks = &self.config.marks;
        let query = format!("nameIN{},task^elementISNOTEMPTY", table.name());
        let fields = "sys_id,element,max_length,read_only,choice";
        let list = List::new("sys_dictionary", query, fields, self.children_limit());
        let known = self.to_the_end::<Row>(cx, &list, Lane::Hot).await;
        let rows = match known {
            Ok(known) if !known.rows.is_empty() => known.rows,
            Ok(_) | Err(ConnectorError::Refused { .. }) => {
                let remedy = "give the account read access to sys_dictionary, for this check only";
                findings.push(Finding::new(
                    false,
                    "columns cannot be checked: sys_dictionary shows nothing",
                    remedy,
                ));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let column = |name: &str| rows.iter().find(|row| text(row, "element") == name);
        for name in [&marks.severity, &marks.why, &marks.flags] {
            match column(name) {
                None => findings.push(Finding::new(
                    true,
                    format!("{} has no column {name}", table.name()),
                    "create it as `dutyd setup servicenow` says; until then no mark can be shown",
                )),
                Some(row) if text(row, "read_only") == "true" => findings.push(Finding::new(
                    true,
                    format!("column {name} of {} is read-only", table.name()),
                    "clear \"Read only\" in the column's dictionary entry",
                )),
                Some(row) if has_choices(row) => findings.push(Finding::new(
                    true,
                    format!(
                        "column {name} of {} has a choice list: such a column cannot be emptied, so a mark would stay",
                        table.name()
                    ),
                    "choose no dropdown under Choice in the column's dictionary entry; what stands in it stays",
                )),
                Some(_) => {}
            }
        }
        let length = column(&marks.flags).and_then(|row| text(row, "max_length").parse::<u32>().ok());
        if length.is_some_and(|length| length > 0 && length < FLAGS_LENGTH_MIN) {
            let message = format!("column {} is too short for a list of flags", marks.flags);
            findings.push(Finding::new(true, message, "set its length to 4000"));
        }
        for (key, name) in self.named(table) {
            if column(&name).is_none() {
                findings.push(Finding::new(
                    true,
                    format!("{key}: {} has no column {name}", table.name()),
                    "correct the name: the instance ignores conditions on unknown columns and answers with everything",
                ));
            }
        }
        Ok(())
    }

    /// Columns that the configuration names for this table, by their first part: the rest stands in other tables.
    fn named(&self, table: Table) -> Vec<(String, String)> {
        let first = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let marks = &self.config.marks;
        let ours = [&marks.severity, &marks.why, &marks.flags];
        let scope = fields_of(&self.config.scope).into_iter().map(|name| ("scope".to_owned(), first(name)));
        let configured = self.config.named_columns();
        let configured = configured.into_iter().filter(|(_, name)| !ours.iter().any(|our| our == name));
        let is_default =
            |key: &str| key == "columns.due" || key == "columns.category" || key == "columns.channel";
        let configured = configured.filter(move |(key, _)| table == Table::Incident || !is_default(key));
        let system = |name: &str| name.starts_with("sys_") && is_literal(name);
        scope
            .chain(configured.map(|(key, name)| (key, first(name))))
            .filter(|(_, name)| !system(name))
            .collect()
    }

    async fn measure_history(&self, cx: &Ctx<'_>, findings: &mut Vec<Finding>) -> Result<(), ConnectorError> {
        let tables = self.config.tables.iter().map(|table| table.name()).collect::<Vec<_>>().join(",");
        let probes = [
            (
                "sys_journal_field",
                format!("nameIN{tables}"),
                "messages would be missing and notes could be doubled",
            ),
            (
                "sys_audit",
                format!("tablenameIN{tables}"),
                "changes of status, priority, owner and team would be missing",
            ),
        ];
        for (table, query, loss) in probes {
            let visible = matches!(self.probe(cx, table, query, "sys_id", 1).await?, Probe::Rows(rows) if !rows.is_empty());
            if !visible {
                findings.push(Finding::new(
                    true,
                    format!("no row of {table} is visible: {loss}"),
                    "give the account the role audit_viewer, or read access to the table",
                ));
            }
        }
        if let Probe::Refused(_) =
            self.probe(cx, "sys_audit_delete", format!("tablenameIN{tables}"), "sys_id", 1).await?
        {
            findings.push(Finding::new(
                false,
                "sys_audit_delete may not be read: a deleted case counts as hidden",
                "give the account read access to sys_audit_delete",
            ));
        }
        Ok(())
    }

    async fn measure_webhook(
        &self,
        cx: &Ctx<'_>,
        table: Table,
        findings: &mut Vec<Finding>,
    ) -> Result<(), ConnectorError> {
        if self.config.webhook_secrets.is_empty() {
            return Ok(());
        }
        let query =
            format!("collection={}^active=true^scriptLIKE{}", table.name(), super::hook::SIGNATURE_HEADER);
        let asked = self.probe(cx, "sys_script", query, "sys_id", 1).await?;
        if matches!(asked, Probe::Rows(rows) if rows.is_empty()) {
            findings.push(Finding::new(
                false,
                format!("no active business rule of ours is visible on {}", table.name()),
                "create it as `dutyd setup servicenow` says, or rely on polling",
            ));
        }
        Ok(())
    }
}

/// Vendor: `choice` is empty or 0 for a column without a list; an empty value empties no choice field (c_RESTAPI).
fn has_choices(row: &Row) -> bool {
    !matches!(text(row, "choice"), "" | "0")
}

fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).map(|cell| cell.value.as_str()).unwrap_or_default()
}
