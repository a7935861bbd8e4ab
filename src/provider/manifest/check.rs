//! Whether the parts of a manifest fit together.
use super::{Manifest, reader::Reader};
pub(super) fn check(_manifest: &Manifest, _reader: &mut Reader<'_>) {}
