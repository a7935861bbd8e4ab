//! What a provider sends by itself.

use std::time::Duration;

use super::{
    answer::Answer,
    connection::Field,
    leaf::{Header, Json, Name, Pattern},
    proof::Proof,
    shape::{OrNone, choice, shape, words},
};
use crate::provider::{expression::Expression, template::Template};

words! {
    /// What happened, in our words.
    pub enum Happening {
        /// Money was received.
        PaymentSucceeded = "payment.succeeded",
        /// Money was not received.
        PaymentFailed = "payment.failed",
        /// Money was set aside.
        PaymentAuthorized = "payment.authorized",
        /// A payment is under way.
        PaymentPending = "payment.pending",
        /// A payment was called off.
        PaymentCanceled = "payment.canceled",
        /// Money was given back.
        PaymentRefunded = "payment.refunded",
        /// Somebody wants money back.
        PaymentDisputed = "payment.disputed",
        /// An invoice was paid.
        InvoicePaid = "invoice.paid",
        /// An invoice was not paid.
        InvoiceFailed = "invoice.failed",
        /// A subscription began.
        SubscriptionCreated = "subscription.created",
        /// A subscription changed.
        SubscriptionUpdated = "subscription.updated",
        /// A subscription ended.
        SubscriptionCanceled = "subscription.canceled",
        /// A label was made.
        ShipmentLabelCreated = "shipment.label_created",
        /// A parcel is under way.
        ShipmentInTransit = "shipment.in_transit",
        /// A parcel will come today.
        ShipmentOutForDelivery = "shipment.out_for_delivery",
        /// A parcel arrived.
        ShipmentDelivered = "shipment.delivered",
        /// A parcel could not be delivered.
        ShipmentFailed = "shipment.failed",
        /// A parcel comes back.
        ShipmentReturned = "shipment.returned",
        /// Somebody commented.
        SocialComment = "social.comment",
        /// Somebody mentioned us.
        SocialMention = "social.mention",
        /// A post appeared or changed.
        SocialPost = "social.post",
        /// Somebody left an address.
        SocialLead = "social.lead",
        /// An order was made.
        OrderCreated = "order.created",
        /// An order changed.
        OrderUpdated = "order.updated",
        /// An order was called off.
        OrderCanceled = "order.canceled",
        /// A customer is new.
        CustomerCreated = "customer.created",
        /// A customer changed.
        CustomerUpdated = "customer.updated",
        /// A customer is gone.
        CustomerDeleted = "customer.deleted",
        /// A product is new or changed.
        ProductUpdated = "product.updated",
        /// A product is gone.
        ProductDeleted = "product.deleted",
        /// Somebody wrote to us.
        MessageReceived = "message.received",
        /// A message left.
        MessageSent = "message.sent",
        /// A message arrived.
        MessageDelivered = "message.delivered",
        /// A message was read.
        MessageRead = "message.read",
        /// A message did not arrive.
        MessageFailed = "message.failed",
        /// An email was opened.
        MessageOpened = "message.opened",
        /// A link in an email was followed.
        MessageClicked = "message.clicked",
        /// Somebody complained about an email.
        MessageComplained = "message.complained",
        /// A contact is new.
        ContactCreated = "contact.created",
        /// A contact changed.
        ContactUpdated = "contact.updated",
        /// A contact left.
        ContactRemoved = "contact.removed",
        /// A campaign was sent or changed.
        CampaignUpdated = "campaign.updated",
        /// The account withdrew its consent.
        AccountRevoked = "account.revoked",
        /// Somebody wants their data or wants them gone.
        PrivacyRequested = "privacy.requested",
    }
}

words! {
    /// How the body of a webhook is written.
    pub enum BodyFormat {
        /// As JSON.
        Json = "json",
        /// As a form.
        Form = "form",
    }
}

shape! {
    /// What a provider sends by itself.
    pub struct Webhook {
        /// What a person has to do at the provider so that it sends.
        setup: String,
        /// Secrets that the person brings back from there.
        fields: Option<Vec<Field>> = None,
        /// How it is known that the provider sent it.
        verify: Verify,
        /// What the provider asks before it sends, by GET.
        handshake: OrNone<Handshake>,
        /// How the body is written.
        format: BodyFormat = BodyFormat::Json,
        /// Where the single events are in the body, if it has several. With two steps the second is looked for
        /// in each finding of the first, and both are given to what follows as `parent` and `item`.
        split: Option<Vec<Expression>> = None,
        /// The provider's word for what happened.
        kind: Place,
        /// What is the same when an event is sent again; the bytes of the body if there is nothing.
        id: OrNone<Place>,
        /// When it happened.
        time: OrNone<Place>,
        /// Whose event it is, where many tenants share one address.
        account: OrNone<Account>,
        /// What the provider's words mean.
        routes: Vec<Route>,
        /// How often the provider tries.
        retry: Retry,
        /// Whether asking regularly is needed beside.
        reconcile: OrNone<Reconcile>,
        /// What is answered; 200 and nothing if not given.
        answer: Option<Answer> = None,
        /// A webhook as the provider sends it.
        example: Sent,
    }
}

shape! {
    /// Where something is in a webhook; exactly one of these.
    pub struct Place {
        /// In a header.
        header: Option<Header> = None,
        /// In the body, or in one of its events.
        body: Option<Expression> = None,
        /// Among the parameters of the address.
        query: Option<String> = None,
        /// Always the same.
        constant: Option<String> = None,
    }
}

shape! {
    /// Whose event it is.
    pub struct Account {
        /// Where the webhook says so.
        at: Place,
        /// Its first group is the part of it that counts.
        part: Option<Pattern> = None,
        /// The setting of an integration that has the same value.
        setting: Name,
        /// How the provider proves that a credential belongs to the account. Without a proof the webhooks cannot come
        /// to an address that serves every tenant.
        proof: OrNone<Proof>,
    }
}

shape! {
    /// What some of the provider's words mean.
    pub struct Route {
        /// The words; one that ends with `*` stands for all that begin so.
        kinds: Vec<String>,
        /// What must hold in the event beside.
        when: Option<Expression> = None,
        /// What it means; nothing to us if not given, which keeps the event and does no more.
        is: Option<Happening> = None,
        /// The id of what it happened to.
        subject: Option<Expression> = None,
    }
}

shape! {
    /// How often a provider tries.
    pub struct Retry {
        /// How many tries there are.
        attempts: Option<u32> = None,
        /// Over which time.
        over: Option<Duration> = None,
        /// What happens at last, or what else is known.
        note: String,
    }
}

shape! {
    /// Asking regularly for what webhooks may have missed.
    pub struct Reconcile {
        /// The stream that is read.
        stream: Option<Name> = None,
        /// The action that is called for each open thing.
        action: Option<Name> = None,
        /// How often.
        every: Duration,
        /// Why it is needed.
        why: String,
    }
}

shape! {
    /// A webhook as the provider sends it.
    pub struct Sent {
        /// Headers beside those of the signature.
        headers: Option<std::collections::BTreeMap<String, String>> = None,
        /// Parameters of the address.
        query: Option<std::collections::BTreeMap<String, String>> = None,
        /// The body.
        body: Json,
    }
}

words! {
    /// How bytes are written as text.
    pub enum Encoding {
        /// Two digits each.
        Hex = "hex",
        /// In base64.
        Base64 = "base64",
    }
}

words! {
    /// A hash function.
    pub enum Hash {
        /// SHA-1.
        Sha1 = "sha1",
        /// SHA-256.
        Sha256 = "sha256",
    }
}

choice! {
    /// How it is known that the provider sent a webhook.
    pub enum Verify by "engine" {
        /// HMAC over time and body, both in one header: `t=…,v1=…`.
        HmacTimestamped(HmacTimestamped) = "hmac_timestamped",
        /// HMAC over the body.
        HmacBody(HmacBody) = "hmac_body",
        /// RSA with a certificate that is fetched, over a checksum of the body.
        Certificate(FetchedCertificate) = "certificate",
        /// ECDSA on P-256 over time and body.
        Ecdsa(Ecdsa) = "ecdsa",
        /// HMAC over the address and the sorted fields of the form.
        UrlHmac(UrlHmac) = "url_hmac",
        /// A hash over a secret and some fields of the form, one for each section.
        FieldDigest(FieldDigest) = "field_digest",
        /// A header with a fixed value.
        SharedHeader(SharedHeader) = "shared_header",
        /// User and password, as a browser sends them.
        Basic(BasicVerify) = "basic",
        /// A secret in the address.
        UrlSecret(UrlSecret) = "url_secret",
        /// The address of the sender. Weak; used where there is nothing else.
        SourceAddress(SourceAddress) = "source_address",
        /// The scheme of standardwebhooks.com.
        StandardWebhooks(StandardWebhooks) = "standard_webhooks",
    }
}

const FIVE_MINUTES: Duration = Duration::from_mins(5);

shape! {
    /// HMAC-SHA256 in hex over `time.body`.
    pub struct HmacTimestamped {
        /// The header.
        header: Header,
        /// The name before the time.
        timestamp: String = "t".to_owned(),
        /// The name before the signature.
        signature: String,
        /// The key.
        secret: Template,
        /// How old or early the time may be.
        tolerance: Duration = FIVE_MINUTES,
    }
}

shape! {
    /// HMAC over the body.
    pub struct HmacBody {
        /// The header with the signature.
        header: Header,
        /// What stands before the signature.
        header_prefix: Option<String> = None,
        /// What is signed before the body.
        body_prefix: Option<String> = None,
        /// The hash function.
        hash: Hash = Hash::Sha256,
        /// How the signature is written.
        encoding: Encoding,
        /// The key.
        secret: Template,
    }
}

shape! {
    /// RSA-SHA256 over `id|time|webhook id|CRC32 of the body`.
    pub struct FetchedCertificate {
        /// The header with the id of the transmission.
        id_header: Header,
        /// The header with its time.
        time_header: Header,
        /// The header with the signature, in base64.
        signature_header: Header,
        /// The header with the address of the certificate.
        certificate_header: Header,
        /// The header with the algorithm.
        algorithm_header: Header,
        /// What the algorithm must be.
        algorithm: String,
        /// Hosts from which a certificate is taken.
        hosts: Vec<String>,
        /// What the path of its address begins with.
        path: Option<String> = None,
        /// The name that the certificate must carry.
        subject: Option<String> = None,
        /// The id of the webhook at the provider.
        webhook_id: Template,
        /// How old or early the time may be.
        tolerance: Option<Duration> = None,
    }
}

shape! {
    /// ECDSA on P-256 with SHA-256 over time and body, in base64 of DER.
    pub struct Ecdsa {
        /// The header with the signature.
        header: Header,
        /// The header with the time.
        timestamp_header: Header,
        /// The public key, in base64 of DER.
        public_key: Template,
        /// How old or early the time may be.
        tolerance: Duration = FIVE_MINUTES,
    }
}

shape! {
    /// HMAC-SHA1 in base64 over the address and the sorted fields of the form.
    pub struct UrlHmac {
        /// The header with the signature.
        header: Header,
        /// The key.
        secret: Template,
        /// The parameter that has the SHA-256 of a body that is no form.
        body_hash_parameter: String,
    }
}

shape! {
    /// A hash over a secret and fields, joined.
    pub struct FieldDigest {
        /// The hash function.
        hash: Hash,
        /// What stands between the fields.
        separator: String,
        /// The secret, which comes first.
        secret: Template,
        /// The sections of the form; at least one must be there, and all that are there must fit.
        sections: Vec<Section>,
    }
}

shape! {
    /// One section of a form.
    pub struct Section {
        /// The field with the hash.
        check: String,
        /// The fields under it, in their order. What is missing counts as empty.
        fields: Vec<String>,
    }
}

shape! {
    /// A header with a fixed value.
    pub struct SharedHeader {
        /// The name of the header.
        name: Template,
        /// Its value.
        value: Template,
    }
}

shape! {
    /// User and password.
    pub struct BasicVerify {
        /// The user.
        username: Template,
        /// The password.
        password: Template,
    }
}

shape! {
    /// A secret in the address.
    pub struct UrlSecret {
        /// The parameter.
        parameter: String,
        /// Its value.
        value: Template,
    }
}

shape! {
    /// The address of the sender.
    pub struct SourceAddress {
        /// Networks, such as `203.0.113.0/24`.
        networks: Vec<String>,
        /// A secret in the address beside, since an address alone proves little.
        parameter: String,
        /// Its value.
        value: Template,
    }
}

shape! {
    /// The scheme of standardwebhooks.com.
    pub struct StandardWebhooks {
        /// The key, with or without `whsec_`.
        secret: Template,
        /// How old or early the time may be.
        tolerance: Duration = FIVE_MINUTES,
    }
}

choice! {
    /// What a provider asks before it sends.
    pub enum Handshake by "kind" {
        /// It sends a token that we know and a challenge to be sent back.
        EchoChallenge(EchoChallenge) = "echo_challenge",
        /// It sends a challenge to be signed.
        SignChallenge(SignChallenge) = "sign_challenge",
        /// It only wants to be answered.
        Plain(Plain) = "plain",
    }
}

shape! {
    /// A challenge to be sent back.
    pub struct EchoChallenge {
        /// The parameter with the challenge.
        challenge: String,
        /// The parameter with the token.
        token_parameter: String,
        /// The token.
        token: Template,
    }
}

shape! {
    /// A challenge to be signed with HMAC-SHA256 in hex, answered as JSON.
    pub struct SignChallenge {
        /// The parameter with the challenge, and its name in the answer.
        challenge: String,
        /// The name of the signature in the answer.
        response: String,
        /// The key.
        secret: Template,
        /// How often the provider asks again.
        every: Option<Duration> = None,
    }
}

shape! {
    /// A question that only wants to be answered.
    pub struct Plain {
        /// What is said.
        says: String,
    }
}
