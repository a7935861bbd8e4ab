//! Versions of a mapping: drafted, validated, simulated, run beside, activated, retired.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    check::{self, Finding},
    rules::{self, Rules},
    simulate::{self, MOST, Simulation},
};
use crate::{
    context::{Audit, Cx, NewJob, Txn, Work},
    domain::{
        alert,
        order::machine::{self, Machine},
        partner::{self, Beside, Stage, StatusMapping, list},
    },
    entity::{first::First, status_mapping as entity},
    event::partner::PartnerEvent,
    kernel::{
        error::{Error, Result},
        id::{IntegrationId, StatusMappingId},
    },
};

/// The field under which mappings are given.
pub const PATH: &str = "statusMapping";

/// Looks again at updates that had no meaning.
#[derive(Debug, serde::Serialize, Deserialize)]
pub struct ReapplyUpdates {
    /// Of which partner integration.
    pub integration: IntegrationId,
}

impl Work for ReapplyUpdates {
    const KIND: &'static str = "partner.reapply";
}

/// The error for stored rules that cannot be read.
pub const DAMAGED: &str = "a mapping is damaged";

impl StatusMapping {
    /// The rules that are used.
    pub fn rules(&self) -> Result<Rules> {
        Rules::deserialize(&self.rules).map_err(|error| Error::Internal(DAMAGED, error.into()))
    }

    /// What was found when it was last validated.
    #[must_use]
    pub fn found(&self) -> Vec<Finding> {
        Vec::deserialize(&self.findings).unwrap_or_default()
    }

    /// What the last simulation found.
    #[must_use]
    pub fn simulated(&self) -> Option<Simulation> {
        Simulation::deserialize(self.simulation.as_ref()?).ok()
    }
}

async fn next_version(txn: &Txn, integration: IntegrationId) -> Result<i32> {
    let newest = entity::of_integration(txn.cx().tenant()?, integration).limit(1).first(&**txn).await?;
    Ok(newest.map_or(0, |row| row.version) + 1)
}

async fn insert(
    txn: &Txn,
    beside: &Beside,
    given: &Value,
    rules: &Rules,
    stage: Stage,
    machine: &Machine,
) -> Result<StatusMapping> {
    let now = txn.now();
    let row = StatusMapping {
        id: txn.id(),
        tenant_id: beside.tenant_id,
        partner_integration_id: beside.id,
        version: next_version(txn, beside.id).await?,
        state: stage,
        given: given.clone(),
        rules: json!(rules),
        findings: json!(check::check(rules, machine)),
        simulation: None,
        shadow_seen: 0,
        shadow_differs: 0,
        created_by: txn.cx().actor().to_string(),
        created_at: now,
        activated_at: (stage == Stage::Active).then_some(now),
        retired_at: None,
    };
    entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await?;
    moved(txn, beside, &row, None)?;
    Ok(row)
}

fn moved(txn: &Txn, beside: &Beside, row: &StatusMapping, from: Option<Stage>) -> Result<()> {
    let fact = PartnerEvent::MappingMoved {
        integration: beside.id,
        partner: beside.partner_organization_id,
        version: row.version,
        from: from.map(|stage| stage.name().to_owned()),
        to: row.state.name().to_owned(),
    };
    txn.emit(&fact)?;
    txn.audit(Audit::of(&fact).after(json!({ "version": row.version, "state": row.state.name(), "given": row.given })))
}

/// The rules of the mapping with which an integration begins. A status of ours of which it says nothing is ignored, so
/// that what partners and people write down first can be used as it is; what else is wrong is refused.
pub fn beginning(json: &Value, machine: &Machine) -> Result<Rules> {
    let mut rules = rules::read(PATH, json).map_err(Error::Refused)?;
    let silent = machine.statuses.iter().filter(|status| rules.word(status) == rules::Word::Unknown);
    let silent: Vec<_> = silent.cloned().collect();
    rules.ignored_ours.extend(silent);
    check::refusal(PATH, &check::check(&rules, machine))?;
    Ok(rules)
}

/// Writes the mapping with which an integration begins, in use at once.
pub async fn begin(
    txn: &Txn,
    beside: &Beside,
    json: &Value,
    rules: &Rules,
    machine: &Machine,
) -> Result<StatusMapping> {
    insert(txn, beside, json, rules, Stage::Active, machine).await
}

/// Drafts another version.
pub async fn draft(cx: &Cx, integration: IntegrationId, json: &Value) -> Result<StatusMapping> {
    let rules = rules::read(PATH, json).map_err(Error::Refused)?;
    cx.write(async |txn| {
        let beside = partner::held(txn, integration).await?;
        let machine = machine::of(&**txn, beside.tenant_id).await?;
        insert(txn, &beside, json, &rules, Stage::Draft, &machine).await
    })
    .await
}

/// A version with the integration that it is of, both held.
async fn held(txn: &Txn, id: StatusMappingId) -> Result<(Beside, StatusMapping)> {
    let seen = list::mapping(txn.cx(), id).await?;
    let beside = partner::held(txn, seen.partner_integration_id).await?;
    let row = entity::held(beside.tenant_id, id).first(&**txn).await?;
    Ok((beside, row.ok_or(Error::NotFound("status mapping"))?))
}

/// A version that is at one of these stages, or why it cannot go on.
fn at(row: &StatusMapping, stages: &[Stage], then: &str) -> Result<()> {
    if stages.contains(&row.state) {
        return Ok(());
    }
    let all: Vec<_> = stages.iter().map(|stage| stage.name()).collect();
    let message = format!("version {} is {}; to be {then} it is {}", row.version, row.state.name(), all.join(" or "));
    Err(Error::conflict("id", message))
}

/// Validates a version. What was found stands beside it; it goes on if nothing stands in the way.
pub async fn validate(cx: &Cx, id: StatusMappingId) -> Result<StatusMapping> {
    cx.write(async |txn| {
        let (beside, row) = held(txn, id).await?;
        at(&row, &[Stage::Draft, Stage::Validated], "validated")?;
        let machine = machine::of(&**txn, beside.tenant_id).await?;
        let findings = check::check(&row.rules()?, &machine);
        let (before, to) = (row.state, if check::passes(&findings) { Stage::Validated } else { Stage::Draft });
        let mut row = row.into_active_model();
        row.findings = Set(json!(findings));
        row.state = Set(to);
        let row = row.update(&**txn).await?;
        moved(txn, &beside, &row, Some(before))?;
        Ok(row)
    })
    .await
}

/// The rules of a version, if they still pass.
async fn passing(txn: &Txn, row: &StatusMapping) -> Result<(Rules, Machine)> {
    let (rules, machine) = (row.rules()?, machine::of(&**txn, row.tenant_id).await?);
    check::refusal("id", &check::check(&rules, &machine))?;
    Ok((rules, machine))
}

/// Holds a version against the last so many updates.
pub async fn simulate(cx: &Cx, id: StatusMappingId, most: u64) -> Result<StatusMapping> {
    if !(1..=MOST).contains(&most) {
        return Err(Error::invalid("last", format!("it is between 1 and {MOST}")));
    }
    cx.write(async |txn| {
        let (beside, row) = held(txn, id).await?;
        at(&row, &[Stage::Validated, Stage::Simulated], "simulated")?;
        let (rules, machine) = passing(txn, &row).await?;
        let simulation = simulate::run(txn, beside.id, &rules, &machine, most).await?;
        let before = row.state;
        let mut row = row.into_active_model();
        row.simulation = Set(Some(json!(simulation)));
        row.state = Set(Stage::Simulated);
        let row = row.update(&**txn).await?;
        moved(txn, &beside, &row, Some(before))?;
        Ok(row)
    })
    .await
}

/// Runs a version beside the one in use, which goes on to decide.
pub async fn shadow(cx: &Cx, id: StatusMappingId) -> Result<StatusMapping> {
    cx.write(async |txn| {
        let (beside, row) = held(txn, id).await?;
        at(&row, &[Stage::Simulated], "run beside")?;
        passing(txn, &row).await?;
        if let Some(other) = in_use(txn, &beside, Stage::Shadow).await? {
            let message = format!("version {} runs beside already; activate or retire it first", other.version);
            return Err(Error::conflict("id", message));
        }
        let mut row = row.into_active_model();
        row.state = Set(Stage::Shadow);
        row.shadow_seen = Set(0);
        row.shadow_differs = Set(0);
        let row = row.update(&**txn).await?;
        moved(txn, &beside, &row, Some(Stage::Simulated))?;
        Ok(row)
    })
    .await
}

async fn in_use(txn: &Txn, beside: &Beside, stage: Stage) -> Result<Option<StatusMapping>> {
    let select = entity::in_use(beside.tenant_id, &[beside.id]).filter(entity::COLUMN.state.eq(stage));
    Ok(select.first(&**txn).await?)
}

/// Lets a version decide. The one before is retired, and what waited for a meaning is looked at again.
pub async fn activate(cx: &Cx, id: StatusMappingId) -> Result<StatusMapping> {
    cx.write(async |txn| {
        let (beside, row) = held(txn, id).await?;
        at(&row, &[Stage::Simulated, Stage::Shadow], "activated")?;
        passing(txn, &row).await?;
        if let Some(before) = in_use(txn, &beside, Stage::Active).await? {
            end(txn, &beside, before).await?;
        }
        let before = row.state;
        let mut row = row.into_active_model();
        row.state = Set(Stage::Active);
        row.activated_at = Set(Some(txn.now()));
        let row = row.update(&**txn).await?;
        moved(txn, &beside, &row, Some(before))?;
        for kind in [alert::Kind::UnmappedStatus, alert::Kind::UnreadableSetting] {
            alert::resolve(txn, kind, &beside.id.to_string()).await?;
        }
        let work = ReapplyUpdates { integration: beside.id };
        txn.enqueue(NewJob::of(&work)?.unique(beside.id.to_string()))?;
        Ok(row)
    })
    .await
}

async fn end(txn: &Txn, beside: &Beside, row: StatusMapping) -> Result<StatusMapping> {
    let before = row.state;
    let mut row = row.into_active_model();
    row.state = Set(Stage::Retired);
    row.retired_at = Set(Some(txn.now()));
    let row = row.update(&**txn).await?;
    moved(txn, beside, &row, Some(before))?;
    Ok(row)
}

/// Retires a version that does not decide.
pub async fn retire(cx: &Cx, id: StatusMappingId) -> Result<StatusMapping> {
    cx.write(async |txn| {
        let (beside, row) = held(txn, id).await?;
        match row.state {
            Stage::Active => Err(Error::conflict("id", "it is in use; activate another version instead")),
            Stage::Retired => Ok(row),
            _ => end(txn, &beside, row).await,
        }
    })
    .await
}

/// A word or a status that two versions treat otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where: `toPartner`, `toOurs`, `ignoredOurs`, `ignoredPartner`.
    pub side: &'static str,
    /// The word or the status.
    pub word: String,
    /// What it was; nothing, if nothing was said.
    pub before: Option<String>,
    /// What it is; nothing, if nothing is said.
    pub after: Option<String>,
}

/// Where two versions differ.
#[must_use]
pub fn differences(before: &Rules, after: &Rules) -> Vec<Difference> {
    let mut found = Vec::new();
    for (side, one, other) in
        [("toPartner", &before.to_partner, &after.to_partner), ("toOurs", &before.to_ours, &after.to_ours)]
    {
        let words: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
        for word in words.into_iter().filter(|word| one.get(*word) != other.get(*word)) {
            let (before, after) = (one.get(word).cloned(), other.get(word).cloned());
            found.push(Difference { side, word: word.clone(), before, after });
        }
    }
    for (side, one, other) in [
        ("ignoredOurs", &before.ignored_ours, &after.ignored_ours),
        ("ignoredPartner", &before.ignored_partner, &after.ignored_partner),
    ] {
        for word in one.symmetric_difference(other) {
            let ignored = |all: &std::collections::BTreeSet<String>| all.contains(word).then(|| "ignored".to_owned());
            found.push(Difference { side, word: word.clone(), before: ignored(one), after: ignored(other) });
        }
    }
    found
}
