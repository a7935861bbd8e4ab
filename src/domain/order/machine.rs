//! The statuses that orders can have, and which may follow which.
//!
//! A tenant that chooses nothing has the usual machine: new, approved, in progress, completed, and cancelled from any
//! but completed. A status that orders have cannot be taken away.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    context::{Audit, Cx},
    entity::{first::First, order, order_machine as entity, tenant},
    event::{Changes, order::OrderEvent},
    kernel::{
        error::{Error, Result},
        id::TenantId,
        input::Check,
    },
};

/// Most statuses of a machine.
const MOST: usize = 50;

/// The longest name of a status.
const LONGEST: usize = 40;

/// Which statuses there are, and which may follow which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Names; orders begin with the first.
    pub statuses: Vec<String>,
    /// To which ones each may change.
    pub transitions: BTreeMap<String, BTreeSet<String>>,
}

impl Default for Machine {
    fn default() -> Self {
        let ways: [(&str, &[&str]); 3] = [
            ("new", &["approved", "cancelled"]),
            ("approved", &["in_progress", "cancelled"]),
            ("in_progress", &["completed", "cancelled"]),
        ];
        Self {
            statuses: ["new", "approved", "in_progress", "completed", "cancelled"].map(str::to_owned).into(),
            transitions: ways
                .into_iter()
                .map(|(from, to)| (from.to_owned(), to.iter().map(|to| (*to).to_owned()).collect()))
                .collect(),
        }
    }
}

impl Machine {
    /// Where orders begin.
    #[must_use]
    pub fn first(&self) -> &str {
        self.statuses.first().map_or("new", String::as_str)
    }

    /// Whether there is such a status.
    #[must_use]
    pub fn has(&self, status: &str) -> bool {
        self.statuses.iter().any(|own| own == status)
    }

    /// Those that may follow a status.
    pub fn after(&self, status: &str) -> impl Iterator<Item = &str> {
        self.transitions.get(status).into_iter().flatten().map(String::as_str)
    }

    /// Whether one may follow the other.
    #[must_use]
    pub fn allows(&self, from: &str, to: &str) -> bool {
        self.after(from).any(|next| next == to)
    }

    /// Those to which a way leads from the first.
    #[must_use]
    pub fn reachable(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::from([self.first()]);
        let mut ahead = vec![self.first()];
        while let Some(status) = ahead.pop() {
            for next in self.after(status) {
                if found.insert(next) {
                    ahead.push(next);
                }
            }
        }
        found
    }

    /// What is wrong with it.
    fn check(&self) -> Result<()> {
        let mut check = Check::new();
        check.that(
            (1..=MOST).contains(&self.statuses.len()),
            "statuses",
            format!("name between 1 and {MOST} statuses; orders begin with the first"),
        );
        for (at, status) in self.statuses.iter().enumerate().take(MOST) {
            let path = format!("statuses.{at}");
            check.that(is_name(status), &path, format!("{:?}: {NAME}", shown(status)));
            check.that(!self.statuses.iter().take(at).any(|other| other == status), &path, "it is named twice");
        }
        for (from, ways) in &self.transitions {
            let path = format!("transitions.{}", shown(from));
            check.that(self.has(from), &path, "there is no such status among `statuses`");
            for to in ways {
                check.that(self.has(to), &path, format!("there is no status {:?} among `statuses`", shown(to)));
                check.that(from != to, &path, "a status does not follow itself");
            }
        }
        check.done()?;
        let reachable = self.reachable();
        let lost: Vec<_> = self.statuses.iter().filter(|status| !reachable.contains(status.as_str())).collect();
        match lost.first() {
            Some(status) => {
                Err(Error::invalid("transitions", format!("no way leads to {status:?} from the first status")))
            }
            None => Ok(()),
        }
    }
}

const NAME: &str = "a status has 1 to 40 lower-case letters, digits and underscores, and begins with a letter";

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=LONGEST).contains(&text.len())
        && text.bytes().all(plain)
        && text.starts_with(|letter: char| letter.is_ascii_lowercase())
}

/// As much of a text as is shown in a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

/// The machine of a tenant.
pub async fn of(db: &impl ConnectionTrait, tenant: TenantId) -> Result<Machine> {
    let Some(row) = entity::of(tenant).first(db).await? else { return Ok(Machine::default()) };
    let damaged = |error: serde_json::Error| Error::Internal("the statuses of a tenant are damaged", error.into());
    Ok(Machine {
        statuses: serde_json::from_value(row.statuses).map_err(damaged)?,
        transitions: serde_json::from_value(row.transitions).map_err(damaged)?,
    })
}

/// The machine of the caller's tenant.
pub async fn get(cx: &Cx) -> Result<Machine> {
    of(cx.db(), cx.tenant()?).await
}

/// Chooses another machine.
pub async fn set(cx: &Cx, machine: Machine) -> Result<Machine> {
    machine.check()?;
    cx.write(async |txn| {
        let id = cx.tenant()?;
        // Who makes the first order at this moment, or changes the machine too, is waited for.
        sea_orm::QuerySelect::lock_exclusive(tenant::of(id)).first(&**txn).await?;
        let before = of(&**txn, id).await?;
        if before == machine {
            return Ok(before);
        }
        for gone in before.statuses.iter().filter(|status| !machine.has(status)) {
            let count = order::of(id).filter(order::COLUMN.status.eq(gone)).count(&**txn).await?;
            if count > 0 {
                let reason = format!("{count} orders are {gone:?}; let them be something else first");
                return Err(Error::conflict("statuses", reason));
            }
        }
        let row = entity::Model {
            tenant_id: id,
            statuses: json!(machine.statuses),
            transitions: json!(machine.transitions),
            updated_at: txn.now(),
        };
        let insert = entity::Entity::insert(row.into_active_model()).on_conflict(entity::replaced());
        insert.exec_without_returning(&**txn).await?;
        let changes = Changes::new().field("statuses", &before.statuses, &machine.statuses).field(
            "transitions",
            &before.transitions,
            &machine.transitions,
        );
        let fact = OrderEvent::MachineSet { tenant: id, changes: changes.clone() };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).before(changes.side("from")).after(changes.side("to")))?;
        Ok(machine.clone())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_machine_is_one_and_ends_where_it_should() {
        let machine = Machine::default();
        machine.check().unwrap();
        assert_eq!(machine.first(), "new");
        for from in ["new", "approved", "in_progress"] {
            assert!(machine.allows(from, "cancelled"), "{from}");
        }
        assert!(!machine.allows("completed", "cancelled") && !machine.allows("new", "in_progress"));
        assert_eq!(machine.reachable().len(), 5);
    }

    #[test]
    fn what_is_no_machine_is_refused_with_its_place() {
        let refused = |change: &dyn Fn(&mut Machine)| {
            let mut machine = Machine::default();
            change(&mut machine);
            let Err(Error::Refused(issues)) = machine.check() else { panic!("it passed") };
            issues.iter().map(|issue| issue.path.join(".")).collect::<Vec<_>>()
        };
        assert_eq!(refused(&|machine| machine.statuses.clear())[0], "statuses");
        assert_eq!(refused(&|machine| machine.statuses[1] = "New".to_owned())[0], "statuses.1");
        assert_eq!(refused(&|machine| machine.statuses.push("new".to_owned())), ["statuses.5"]);
        assert_eq!(refused(&|machine| machine.statuses.push("lost".to_owned())), ["transitions"]);
        assert_eq!(
            refused(&|machine| drop(machine.transitions.insert("x".to_owned(), BTreeSet::new()))),
            ["transitions.x"]
        );
    }
}
