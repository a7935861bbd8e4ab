//! One page of a stream.

use super::{Connection, Connector, Purpose, Trouble, exchange::Errand};
use crate::{
    kernel::clock::Moment,
    provider::{
        classify::Failure,
        extract::{self, Record, Unfit},
        manifest::stream::Stream,
        mapping::Mapping,
        paging::{self, Lost, Page, Position},
        request::Unmade,
    },
};

/// What a page had.
#[derive(Clone, Debug, PartialEq)]
pub struct Paged {
    /// Its records.
    pub records: Vec<Record>,
    /// Elements that are no record.
    pub unfit: Vec<Unfit>,
    /// Where to go on; nothing at the end.
    pub next: Option<Position>,
    /// How many bytes the answer had.
    pub received: usize,
}

impl Paged {
    /// A page without records, with which a list ends.
    #[must_use]
    pub const fn empty() -> Self {
        Self { records: Vec::new(), unfit: Vec::new(), next: None, received: 0 }
    }
}

impl Connector {
    /// Reads the page at a position. With `since` only what changed after that moment, where the provider can be
    /// asked so; it must be the same for all pages of a run.
    pub async fn page(
        &self,
        connection: &Connection,
        stream: &Stream,
        position: &Position,
        since: Option<Moment>,
    ) -> Result<Paged, Trouble> {
        let connection = self.signed_in(connection).await?;
        let mut values = connection.values().clone();
        if let (Some(form), Some(since)) = (stream.since.get(), since) {
            values.set("since", extract::since(form, since));
        }
        let categories = stream.category.as_ref().and_then(|category| values.get(category.by.as_str()));
        // It was looked at when it was set. What cannot be read any more is no mapping that leaves everything as it is.
        let categories = categories.map(|(text, _)| Mapping::parse(&text)).transpose();
        let categories = categories.map_err(Unmade::Mapping)?.unwrap_or_default();
        let mut outgoing = connection.make(&stream.request, &values)?;
        let paging = connection.manifest().paging_of(stream);
        if let Some(paging) = paging {
            let home = connection.real(&outgoing.url)?.origin();
            paging::apply(paging, position, &mut outgoing)?;
            // A position that was kept from before may lead where the connection led then.
            if matches!(position, Position::Url(_)) && outgoing.url.origin() != home {
                return Err(Trouble::Failed(Failure::unreadable(None, Lost::Foreign.to_string())));
            }
            // An address out of an answer may leave out the credential.
            crate::provider::auth::inject(connection.auth().inject(), &values, &mut outgoing)?;
        }
        let errand = Errand::new(Purpose::Stream(stream.key.as_str()), outgoing.finish()?).repeatable();
        let answer = self.exchange(&connection, errand).await?;
        let found =
            extract::records(stream, &answer.document, &categories).map_err(|reason| answer.unreadable(&reason))?;
        let records = found.records.len() + found.unfit.len();
        let page = Page { document: &answer.document, headers: &answer.headers, url: &answer.url, records };
        let next = match paging {
            Some(paging) => paging::next(paging, position, page).map_err(|reason| answer.unreadable(&reason))?,
            None => None,
        };
        Ok(Paged { records: found.records, unfit: found.unfit, next, received: answer.received })
    }
}
