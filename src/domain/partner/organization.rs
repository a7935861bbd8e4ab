//! Organisations with which orders are exchanged: made, changed, switched off and on. They are never deleted, because
//! orders name them.

use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, Select};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{PartnerOrganization, Sight};
use crate::{
    context::{Audit, Cx, Once},
    entity::{first::First, page, partner_organization as entity, rewrite::rewrite},
    event::{Changes, partner::PartnerEvent},
    kernel::{
        error::{Error, Result},
        id::PartnerOrganizationId,
        input::{self, Check},
        page::{Page, PageArgs},
    },
};

/// What the type of a partner begins with, as the seed has it.
const PREFIX: &str = "partner_";

/// The longest type, and most contacts.
const LONGEST_TYPE: usize = 60;
const MOST_CONTACTS: usize = 20;

/// Somebody at a partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// The name for people.
    pub name: String,
    /// The email address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// What somebody does there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// An organisation to be.
#[derive(Clone, Debug, Serialize)]
pub struct NewOrganization {
    /// For people.
    pub name: String,
    /// What sort of partner it is: `partner_dealer`, `partner_energy`, `partner_installer`, or another.
    pub kind: String,
    /// Whom to ask.
    pub contacts: Vec<Contact>,
}

/// What to change of an organisation; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct OrganizationChange {
    /// For people.
    pub name: Option<String>,
    /// What sort of partner it is.
    pub kind: Option<String>,
    /// Whom to ask, as a whole.
    pub contacts: Option<Vec<Contact>>,
    /// Whether anything is exchanged with it, and its tokens open anything.
    pub active: Option<bool>,
}

fn kind(text: &str) -> Result<String, String> {
    let text = text.trim();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let rest = text.strip_prefix(PREFIX).unwrap_or_default();
    if (1..=LONGEST_TYPE).contains(&rest.len()) && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err("the type of a partner begins with \"partner_\" and has lower-case letters, digits and underscores, such as \
         \"partner_dealer\", \"partner_energy\" or \"partner_installer\""
        .to_owned())
}

fn contacts(check: &mut Check, given: &[Contact]) -> Vec<Contact> {
    let few = given.len() <= MOST_CONTACTS;
    check.that(few, "contacts", format!("an organisation has at most {MOST_CONTACTS} contacts"));
    let mut contact = |(at, given): (usize, &Contact)| Contact {
        name: check.take(&format!("contacts.{at}.name"), input::name(&given.name)),
        email: check.take_some(&format!("contacts.{at}.email"), given.email.as_deref(), input::email),
        phone: check.take_some(&format!("contacts.{at}.phone"), given.phone.as_deref(), input::name),
        role: check.take_some(&format!("contacts.{at}.role"), given.role.as_deref(), input::name),
    };
    given.iter().take(MOST_CONTACTS).enumerate().map(&mut contact).collect()
}

fn seen(cx: &Cx) -> Result<Select<entity::Entity>> {
    let select = entity::of(cx.tenant()?);
    Ok(match Sight::of(cx)?.only() {
        Some(own) => select.filter(entity::COLUMN.id.eq(own)),
        None => select,
    })
}

/// Those of the ids that the caller sees.
pub async fn by_ids(cx: &Cx, ids: &[PartnerOrganizationId]) -> Result<Vec<PartnerOrganization>> {
    Ok(seen(cx)?.filter(entity::COLUMN.id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// One organisation.
pub async fn get(cx: &Cx, id: PartnerOrganizationId) -> Result<PartnerOrganization> {
    by_ids(cx, &[id]).await?.pop().ok_or(Error::NotFound("partner organization"))
}

/// One page of organisations, oldest first.
pub async fn list(cx: &Cx, args: &PageArgs) -> Result<Page<PartnerOrganization>> {
    let column = entity::Column::Id;
    page::by_key(cx.db(), "partner organizations", seen(cx)?, column, |row| row.id.uuid(), args).await
}

/// How many there are.
pub async fn count(cx: &Cx) -> Result<u64> {
    Ok(seen(cx)?.count(cx.db()).await?)
}

/// Whom to ask.
#[must_use]
pub fn contacts_of(organization: &PartnerOrganization) -> Vec<Contact> {
    Vec::deserialize(&organization.contacts).unwrap_or_default()
}

fn shown(row: &PartnerOrganization) -> serde_json::Value {
    json!({ "name": row.name, "type": row.kind, "contacts": row.contacts, "active": row.active })
}

/// Makes an organisation.
pub async fn create(cx: &Cx, new: NewOrganization, key: Option<&str>) -> Result<PartnerOrganization> {
    let mut check = Check::new();
    let name = check.take("name", input::name(&new.name));
    let kind = check.take("type", kind(&new.kind));
    let contacts = contacts(&mut check, &new.contacts);
    check.done()?;
    let id = cx
        .write(async |txn| {
            let ticket = match txn.once("createPartnerOrganization", key, &new).await? {
                Once::Repeated(id) => return Ok(id),
                Once::First(ticket) => ticket,
            };
            let now = txn.now();
            let row = PartnerOrganization {
                id: txn.id(),
                tenant_id: cx.tenant()?,
                name: name.clone(),
                kind: kind.clone(),
                contacts: json!(contacts),
                active: true,
                created_by: cx.actor().to_string(),
                created_at: now,
                updated_at: now,
            };
            entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await?;
            let fact = PartnerEvent::OrganizationCreated {
                partner: row.id,
                name: row.name.clone(),
                organization_type: row.kind.clone(),
            };
            txn.emit(&fact)?;
            txn.audit(Audit::of(&fact).after(shown(&row)))?;
            ticket.created(txn, row.id).await?;
            Ok(row.id)
        })
        .await?;
    get(cx, id).await
}

/// Changes an organisation.
pub async fn update(cx: &Cx, id: PartnerOrganizationId, change: OrganizationChange) -> Result<PartnerOrganization> {
    let mut check = Check::new();
    let name = check.take_some("name", change.name.as_deref(), input::name);
    let kind = check.take_some("type", change.kind.as_deref(), kind);
    let contacts = change.contacts.as_deref().map(|given| contacts(&mut check, given));
    check.done()?;
    cx.write(async |txn| {
        let found = entity::held(cx.tenant()?, id).first(&**txn).await?;
        let before = found.filter(|row| Sight::of(cx).is_ok_and(|sight| sight.takes(Some(row.id))));
        let before = before.ok_or(Error::NotFound("partner organization"))?;
        let after = PartnerOrganization {
            name: name.clone().unwrap_or_else(|| before.name.clone()),
            kind: kind.clone().unwrap_or_else(|| before.kind.clone()),
            contacts: contacts.as_ref().map_or_else(|| before.contacts.clone(), |contacts| json!(contacts)),
            active: change.active.unwrap_or(before.active),
            updated_at: txn.now(),
            ..before.clone()
        };
        let changes = Changes::new()
            .field("name", &before.name, &after.name)
            .field("type", &before.kind, &after.kind)
            .field("contacts", &before.contacts, &after.contacts)
            .field("active", &before.active, &after.active);
        if changes.is_empty() {
            return Ok(before);
        }
        rewrite(after.clone()).update(&**txn).await?;
        let fact = PartnerEvent::OrganizationUpdated { partner: id, changes: changes.clone() };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).before(changes.side("from")).after(changes.side("to")))?;
        Ok(after)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_of_the_seed_and_others_like_them_are_taken() {
        for good in ["partner_dealer", "partner_energy", "partner_installer", "partner_leasing_2"] {
            assert!(kind(good).is_ok(), "{good}");
        }
        for bad in ["", "partner_", "dealer", "PARTNER_DEALER", "partner dealer"] {
            assert!(kind(bad).is_err(), "{bad}");
        }
    }
}
