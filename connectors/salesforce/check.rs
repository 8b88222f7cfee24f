//! Measuring the account and the org: who are we, what may we do, are our fields there, is the day's allowance enough.
//!
//! Vendor: what an account may not see is absent from a description, and asking for it says "No such column"
//! (resources_sobject_describe).

use super::Salesforce;
use super::client::Question;
use super::soql::{fields_of, quoted, record_id};
use super::wire::{self, at, text};
use crate::{ConnectorError, Ctx, Finding, Identity, Lane};
use dutyd_core::case::{Party, Status};
use dutyd_core::policy::Listed;
use serde_json::Value;

/// Requests per day of a poll every 15 seconds.
const POLLS_PER_DAY: u64 = 5_760;
/// Text fields shorter than this cut the list of flags.
const FLAGS_LENGTH_MIN: u64 = 1_000;
/// Permissions that reach over everything, and what they allow.
const TOO_MUCH: [(&str, &str); 3] = [
    ("PermissionsModifyAllData", "change and delete all data"),
    ("PermissionsViewAllData", "see all data"),
    ("PermissionsManageUsers", "manage users"),
];

/// Customers that are looked at for shared e-mail domains.
const CUSTOMERS_MAX: usize = 1_000;

impl Salesforce {
    pub(super) async fn measure(&self, cx: &Ctx<'_>) -> Result<Identity, ConnectorError> {
        let mut identity = Identity::default();
        let user_id = self.measure_account(cx, &mut identity).await?;
        let findings = &mut identity.findings;
        self.measure_version(cx, findings).await?;
        self.measure_case(cx, findings).await?;
        self.measure_children(cx, findings).await?;
        self.measure_org(cx, &user_id, findings).await?;
        self.measure_allowance(cx, findings).await?;
        identity.customers = self.customers(cx).await?;
        Ok(identity)
    }

    /// Accounts with the address of their site; none where the account may not read them.
    async fn customers(&self, cx: &Ctx<'_>) -> Result<Vec<Listed>, ConnectorError> {
        let question = format!(
            "SELECT Id, Name, Website FROM Account WHERE Website != null ORDER BY Id LIMIT {CUSTOMERS_MAX}"
        );
        let rows = match self.all(cx, &question, Lane::Hot).await {
            Err(ConnectorError::Refused { .. }) => return Ok(Vec::new()),
            rows => rows?.rows,
        };
        let listed = rows.iter().map(|row| Listed {
            source: self.source.clone(),
            customer: Party { id: text(row, "Id").to_owned(), name: text(row, "Name").to_owned() },
            domains: vec![text(row, "Website").to_owned()],
        });
        Ok(listed.collect())
    }

    async fn read(&self, cx: &Ctx<'_>, path: String) -> Result<Value, ConnectorError> {
        wire::read(&self.get(cx, path, Lane::Hot).await?)
    }

    async fn measure_account(&self, cx: &Ctx<'_>, identity: &mut Identity) -> Result<String, ConnectorError> {
        let who = self.read(cx, "/services/oauth2/userinfo".to_owned()).await?;
        identity.account = text(&who, "preferred_username").to_owned();
        identity.time_zone = Some(text(&who, "zoneinfo").to_owned()).filter(|zone| !zone.is_empty());
        if !identity.account.eq_ignore_ascii_case(&self.config.user) {
            identity.findings.push(Finding::new(
                true,
                format!("signed in as {:?}, configured is {:?}", identity.account, self.config.user),
                "set `user` to the app's run-as user: our own edits are recognised by this name",
            ));
        }
        Ok(record_id(text(&who, "user_id")).unwrap_or_default())
    }

    async fn measure_version(&self, cx: &Ctx<'_>, findings: &mut Vec<Finding>) -> Result<(), ConnectorError> {
        let versions = self.read(cx, "/services/data".to_owned()).await?;
        let wanted = self.config.api_version.trim_start_matches('v');
        let known =
            versions.as_array().is_some_and(|list| list.iter().any(|known| text(known, "version") == wanted));
        if !known {
            findings.push(Finding::new(
                true,
                format!("the org does not offer version {wanted} of the API"),
                "set `api_version` to one that it offers",
            ));
        }
        Ok(())
    }

    /// `None`: the account knows no such object.
    async fn describe(&self, cx: &Ctx<'_>, object: &str) -> Result<Option<Value>, ConnectorError> {
        let response = self.get(cx, self.path(&format!("sobjects/{object}/describe")), Lane::Hot).await?;
        if response.status == 404 {
            return Ok(None);
        }
        wire::read(&response).map(Some)
    }

    async fn measure_case(&self, cx: &Ctx<'_>, findings: &mut Vec<Finding>) -> Result<(), ConnectorError> {
        let Some(case) = self.describe(cx, "Case").await? else {
            let remedy = "give the permission set read and edit on Case, and View All Records";
            findings.push(Finding::new(true, "the account may not read cases", remedy));
            return Ok(());
        };
        self.measure_mark_fields(&case, findings);
        for (key, column) in self.config.optional_columns() {
            let first = column.split('.').next().unwrap_or_default();
            if field(&case, column).is_none() && relation(&case, first).is_none() {
                findings.push(Finding::new(
                    false,
                    format!("{key}: Case has no field {column} that the account may read"),
                    "correct the name, or give the permission set read access to the field",
                ));
            }
        }
        for column in fields_of(&self.config.scope) {
            let first = column.split('.').next().unwrap_or_default();
            if field(&case, &column).is_none() && relation(&case, first).is_none() {
                let remedy = "correct the name: one unknown field fails every question";
                findings.push(Finding::new(true, format!("scope: Case has no field {column}"), remedy));
            }
        }
        self.measure_case_rights(&case, findings);
        Ok(())
    }

    fn measure_mark_fields(&self, case: &Value, findings: &mut Vec<Finding>) {
        let marks = &self.config.marks;
        for name in [&marks.severity, &marks.why, &marks.flags] {
            match field(case, name) {
                None => findings.push(Finding::new(
                    true,
                    format!("Case has no field {name} that the account may read"),
                    "create it as `dutyd setup salesforce` says and give the permission set read and edit on it",
                )),
                Some(known) if at(known, "updateable") != &Value::Bool(true) => findings.push(Finding::new(
                    true,
                    format!("the account may not edit the field {name}"),
                    "give the permission set edit access to the field",
                )),
                Some(_) => {}
            }
        }
        let length = field(case, &marks.flags).and_then(|known| at(known, "length").as_u64());
        if length.is_some_and(|length| length < FLAGS_LENGTH_MIN) {
            let message = format!("the field {} is too short for a list of flags", marks.flags);
            findings.push(Finding::new(true, message, "make it a long text area of 4,000 characters"));
        }
    }

    /// Only our own fields need to be edited.
    fn measure_case_rights(&self, case: &Value, findings: &mut Vec<Finding>) {
        for (right, verb) in [("deletable", "delete"), ("createable", "create")] {
            if at(case, right) == &Value::Bool(true) {
                findings.push(Finding::new(
                    false,
                    format!("the account may {verb} cases"),
                    "take the right away: dutyd never does that",
                ));
            }
        }
        let marks = &self.config.marks;
        let ours = [&marks.severity, &marks.why, &marks.flags];
        let edits = |known: &&Value| at(known, "updateable") == &Value::Bool(true);
        let foreign = fields(case).filter(edits).map(|known| text(known, "name"));
        let foreign: Vec<&str> = foreign.filter(|name| !ours.iter().any(|our| our == name)).collect();
        if !foreign.is_empty() {
            let some = foreign.iter().take(3).copied().collect::<Vec<_>>().join(", ");
            findings.push(Finding::new(
                false,
                format!("the account may edit {} more fields of a case, for example {some}", foreign.len()),
                "leave it edit access to our fields only",
            ));
        }
    }

    async fn measure_children(
        &self,
        cx: &Ctx<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), ConnectorError> {
        let losses = [
            ("CaseComment", true, "messages would be missing and notes could not be written"),
            ("CaseHistory", true, "changes of status, priority, owner and team would be missing"),
            ("EmailMessage", false, "mails are not read; that is right where Email-to-Case is off"),
        ];
        for (object, blocking, loss) in losses {
            match self.describe(cx, object).await? {
                None => findings.push(Finding::new(
                    blocking,
                    format!("the account may not read {object}: {loss}"),
                    "give the permission set access, and set field history tracking on Case where it is off",
                )),
                Some(known) if object == "CaseComment" && at(&known, "createable") != &Value::Bool(true) => {
                    let remedy = "give the permission set edit on Case, which carries the right to comment";
                    findings.push(Finding::new(true, "the account may not write case comments", remedy));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Statuses, rights over everything, and whether the org's own escalation rules run.
    async fn measure_org(
        &self,
        cx: &Ctx<'_>,
        user_id: &str,
        findings: &mut Vec<Finding>,
    ) -> Result<(), ConnectorError> {
        let held = TOO_MUCH.map(|(name, _)| format!("PermissionSet.{name}")).join(", ");
        let assigned =
            format!("SELECT {held} FROM PermissionSetAssignment WHERE AssigneeId = {}", quoted(user_id));
        let escalated = "SELECT Id FROM CaseHistory WHERE Field = 'ownerEscalated' LIMIT 1".to_owned();
        let question = |reference, text| Question { reference, resource: "query", text };
        let questions = [
            question("statuses", "SELECT MasterLabel, IsClosed FROM CaseStatus".to_owned()),
            question("rights", assigned),
            question("escalated", escalated),
            question("flagged", "SELECT Id FROM Case WHERE IsEscalated = true LIMIT 1".to_owned()),
        ];
        let (parts, now) = self.ask(cx, &questions, Lane::Hot).await?;
        let mut answers = Vec::with_capacity(parts.len());
        for part in &parts {
            answers.push(match part.found(Some(now)) {
                Ok(found) => self.to_the_end(cx, found, Lane::Hot).await.rows,
                Err(ConnectorError::Refused { .. }) => Vec::new(),
                Err(error) => return Err(error),
            });
        }
        let [statuses, rights, escalated, flagged] = answers.as_slice() else { return Ok(()) };
        self.judge_statuses(statuses, findings);
        for (name, verb) in TOO_MUCH {
            if rights.iter().any(|row| at(row, &format!("PermissionSet.{name}")) == &Value::Bool(true)) {
                let remedy =
                    "take the permission away; `dutyd setup salesforce` lists the few rights that are needed";
                findings.push(Finding::new(false, format!("the account may {verb} ({name})"), remedy));
            }
        }
        if !escalated.is_empty() || !flagged.is_empty() {
            findings.push(Finding::new(
                false,
                "native escalation rules seem to run in this org: there are escalated cases",
                "if a rule counts \"based on last modification time of case\", our marks restart its clock: let it count \
                 from case creation, or leave escalating to one of the two",
            ));
        }
        Ok(())
    }

    fn judge_statuses(&self, statuses: &[Value], findings: &mut Vec<Finding>) {
        let mut waiting = Vec::new();
        for row in statuses {
            let (name, closed) = (text(row, "MasterLabel"), at(row, "IsClosed") == &Value::Bool(true));
            let known = self.config.named_status(name).is_some();
            let read = self.config.status(name);
            if !known && !closed && matches!(read, Status::Pending | Status::OnHold) {
                waiting.push(format!("{name:?} as {}", read.word()));
            }
            if !known && (closed == read.is_open() || read == Status::Closed && !closed) {
                let (org, ours) = (if closed { "closed" } else { "open" }, read.word());
                findings.push(Finding::new(
                    false,
                    format!("the status {name:?} is {org} in the org and read as {ours} in histories"),
                    "say what it means under [salesforce.statuses]",
                ));
            }
        }
        if !waiting.is_empty() {
            findings.push(Finding::new(
                false,
                format!(
                    "statuses read by their names alone: {}; clocks may pause in them",
                    waiting.join(", ")
                ),
                "say what they mean under [salesforce.statuses], also where the guess is right",
            ));
        }
    }

    async fn measure_allowance(
        &self,
        cx: &Ctx<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), ConnectorError> {
        let limits = self.read(cx, self.path("limits")).await?;
        let calls = |name: &str| at(&limits, &format!("DailyApiRequests.{name}")).as_u64();
        if let (Some(max), Some(left)) = (calls("Max"), calls("Remaining"))
            && (max < 2 * POLLS_PER_DAY || left < POLLS_PER_DAY)
        {
            findings.push(Finding::new(
                false,
                format!("the org allows {max} API calls a day, {left} are left; a poll every 15 s takes {POLLS_PER_DAY}"),
                "lengthen `poll_interval` of this source, or buy more API calls",
            ));
        }
        Ok(())
    }
}

fn fields(object: &Value) -> impl Iterator<Item = &Value> {
    object.get("fields").and_then(Value::as_array).into_iter().flatten()
}

fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    fields(object).find(|known| text(known, "name").eq_ignore_ascii_case(name))
}

/// The field whose relationship has this name.
fn relation<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    fields(object).find(|known| text(known, "relationshipName").eq_ignore_ascii_case(name))
}
