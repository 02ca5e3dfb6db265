//! Who sends a request: a program of this machine, or a page that somebody else wrote.
//!
//! The port is open to every page in the browser of whoever runs the stack. A page can send many a request without being asked
//! (a form, an image, a `fetch` without a preflight), and can read the answers if it makes its own name lead to this machine. So
//! each request must name this machine as its host, and none may come from another site.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Uri};

/// Names of this machine that a request may have been sent to.
const HOSTS: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Returns why a request is not answered, whatever it asks for.
pub(crate) fn check(uri: &Uri, headers: &HeaderMap, port: u16) -> Result<(), &'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        (None, None) => uri.authority().map(http::uri::Authority::as_str),
        _ => None,
    };
    let host = named.filter(|host| is_this_machine(host, port));
    let Some(host) = host else {
        return Err("The request's Host is not this machine: send it to 127.0.0.1 or localhost");
    };
    let mut origins = headers.get_all(ORIGIN).iter();
    let is_own = origins.all(|origin| {
        let origin = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.strip_prefix("http://"));
        origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
    });
    if !is_own {
        return Err("The request comes from a page of another origin");
    }
    let mut sites = headers.get_all("sec-fetch-site").iter();
    if sites.any(|site| site == "cross-site") {
        return Err("The request comes from another site");
    }
    Ok(())
}

fn is_this_machine(host: &str, port: u16) -> bool {
    let (name, own_port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host, Some(80)),
    };
    own_port == Some(port) && HOSTS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const PORT: u16 = 9000;

    fn is_let_in(headers: &[(&'static str, &str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()));
        check(&Uri::from_static("/"), &headers.collect(), PORT).is_ok()
    }

    #[test]
    fn a_request_names_this_machine() {
        for host in [
            "127.0.0.1:9000",
            "localhost:9000",
            "LOCALHOST:9000",
            "[::1]:9000",
        ] {
            assert!(is_let_in(&[("host", host)]), "{host}");
        }
        for host in [
            "",
            "rebound.example",
            "rebound.example:9000",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost.example:9000",
            "127.0.0.1:9000:9000",
            "127.0.0.1:x",
            "localhost@evil:9000",
            "10.0.0.1:9000",
            "[::1]",
        ] {
            assert!(!is_let_in(&[("host", host)]), "{host}");
        }
        assert!(!is_let_in(&[]));
        assert!(!is_let_in(&[
            ("host", "localhost:9000"),
            ("host", "rebound.example")
        ]));
    }

    #[test]
    fn a_page_of_another_origin_is_not_let_in() {
        let host = ("host", "localhost:9000");
        assert!(is_let_in(&[host, ("origin", "http://localhost:9000")]));
        for origin in [
            "null",
            "http://evil.example",
            "https://localhost:9000",
            "http://localhost:3000",
            "http://127.0.0.1:9000",
            "http://localhost:9000.evil.example",
            "localhost:9000",
            "",
        ] {
            assert!(!is_let_in(&[host, ("origin", origin)]), "{origin}");
        }
        for site in ["none", "same-origin", "same-site"] {
            assert!(is_let_in(&[host, ("sec-fetch-site", site)]), "{site}");
        }
        assert!(!is_let_in(&[host, ("sec-fetch-site", "cross-site")]));
    }
}
