//! The clean rows: what a record becomes once the rules have been applied.
//!
//! Text borrows from the record's bytes wherever a rule left it as it was.

use std::borrow::Cow;

use crate::Kind;

/// Text of a clean row; `None` is null.
pub type CleanText<'a> = Option<Cow<'a, str>>;

/// A clean post.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PinRow<'a> {
    /// The row's key.
    pub ind: i64,
    /// The post's UUID.
    pub unique_id: CleanText<'a>,
    /// The title.
    pub title: CleanText<'a>,
    /// The description.
    pub description: CleanText<'a>,
    /// Followers of the poster.
    pub follower_count: Option<i64>,
    /// The poster's name.
    pub poster_name: CleanText<'a>,
    /// Tags, separated by commas.
    pub tag_list: CleanText<'a>,
    /// `image`, `video` or `multi-video(story page format)`.
    pub is_image_or_video: CleanText<'a>,
    /// Address of the picture.
    pub image_src: CleanText<'a>,
    /// Folder that the picture was saved in.
    pub save_location: CleanText<'a>,
    /// The post's category.
    pub category: CleanText<'a>,
}

/// A clean place and time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GeoRow<'a> {
    /// The row's key.
    pub ind: i64,
    /// The country's name.
    pub country: CleanText<'a>,
    /// Latitude and longitude, in degrees.
    pub coordinates: Option<[f64; 2]>,
    /// When it was posted: microseconds since 1970-01-01 UTC.
    pub timestamp: Option<i64>,
}

/// A clean user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserRow<'a> {
    /// The row's key.
    pub ind: i64,
    /// First and last name.
    pub user_name: CleanText<'a>,
    /// Age in years, 0 to 150.
    pub age: Option<i32>,
    /// When the user joined: microseconds since 1970-01-01 UTC.
    pub date_joined: Option<i64>,
}

/// A clean row of one of the kinds.
#[derive(Clone, Debug, PartialEq)]
pub enum CleanRow<'a> {
    /// A post.
    Pin(PinRow<'a>),
    /// A place and time.
    Geo(GeoRow<'a>),
    /// A user.
    User(UserRow<'a>),
}

impl CleanRow<'_> {
    /// Returns the row's kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Pin(_) => Kind::Pin,
            Self::Geo(_) => Kind::Geo,
            Self::User(_) => Kind::User,
        }
    }

    /// Returns the row's key.
    pub const fn ind(&self) -> i64 {
        match self {
            Self::Pin(row) => row.ind,
            Self::Geo(row) => row.ind,
            Self::User(row) => row.ind,
        }
    }

    /// Returns whether every column but the key is null.
    pub const fn is_empty(&self) -> bool {
        match self {
            Self::Pin(PinRow {
                ind: _,
                unique_id: None,
                title: None,
                description: None,
                follower_count: None,
                poster_name: None,
                tag_list: None,
                is_image_or_video: None,
                image_src: None,
                save_location: None,
                category: None,
            })
            | Self::Geo(GeoRow {
                ind: _,
                country: None,
                coordinates: None,
                timestamp: None,
            })
            | Self::User(UserRow {
                ind: _,
                user_name: None,
                age: None,
                date_joined: None,
            }) => true,
            Self::Pin(_) | Self::Geo(_) | Self::User(_) => false,
        }
    }
}
