//! What an API asks each request for, besides a signature.

use reqwest::Url;

/// The secrets that requests are sent with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Value of the header `x-api-key`.
    pub api_key: Option<String>,
    /// Token of the header `Authorization`.
    pub token: Option<String>,
}

/// Returns a URL without the user and password that it may have.
pub fn without_login(url: &Url) -> String {
    let mut url = url.clone();
    // Neither can fail for a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}
