/**
 * Links to a document. The document stands in the fragment, which no browser sends to any server. Variables and
 * headers stay out: they may hold secrets; the credential is nowhere near.
 */

const NAME = 'document';

/** A link to the page with this document in it. */
export function linkTo(page: string, document: string): string {
  const url = new URL(page);
  url.search = '';
  url.hash = new URLSearchParams({ [NAME]: document }).toString();
  return url.href;
}

/** The document that a link brought, if it brought one. */
export function shared(fragment: string): string | undefined {
  return new URLSearchParams(fragment.replace(/^#/, '')).get(NAME) || undefined;
}

/** Takes the document out of the address once it is open, so that a reload does not open it again. */
export function takeShared(): string | undefined {
  const document = shared(location.hash);
  if (document) history.replaceState(history.state, '', location.pathname + location.search);
  return document;
}
