//! Why a record cannot become a row.

use std::fmt;

use event_model::Kind;
use strum::{EnumString, IntoStaticStr, VariantArray};

/// The stable code of a rejection, as it is written in quarantine and in the metrics.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum RejectionCode {
    /// The payload is not UTF-8.
    NotUtf8,
    /// The payload is not JSON.
    NotJson,
    /// The payload is JSON, but not an object.
    NotAnObject,
    /// Neither the partition key nor the fields decide a kind.
    UnknownKind,
    /// The declared kind and the fields disagree.
    WrongKind,
    /// There is no readable `index` or `ind`.
    MissingKey,
    /// There is an object or an array where a scalar belongs.
    BadType,
    /// The payload is a KPL aggregate whose checksum or structure is wrong.
    DamagedAggregate,
    /// The payload is larger than a record may be.
    TooLarge,
    /// The payload is compressed, and cannot be inflated, or not within the size of a record.
    Compressed,
    /// CloudWatch Logs' sign that it can reach the stream: there was nothing to be a row, so it counts as no rejection.
    ControlMessage,
}

impl RejectionCode {
    /// Every code.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Returns the code as it is written.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Tells whether something that should have become a row did not.
    pub fn is_loss(self) -> bool {
        self != Self::ControlMessage
    }

    /// Returns the code that is written `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

impl fmt::Display for RejectionCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A record that cannot become a row; its payload goes to quarantine whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The kind, if it is known.
    pub kind: Option<Kind>,
    /// The stable code.
    pub code: RejectionCode,
    /// What is wrong, for a person.
    pub message: String,
}

impl Rejection {
    pub(crate) fn new(kind: Option<Kind>, code: RejectionCode, message: impl Into<String>) -> Self {
        Self {
            kind,
            code,
            message: message.into(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Rejection {}

impl From<kpl::Damage> for Rejection {
    fn from(damage: kpl::Damage) -> Self {
        Self {
            kind: None,
            code: RejectionCode::DamagedAggregate,
            message: format!("the payload is a damaged KPL aggregate: {damage}"),
        }
    }
}
