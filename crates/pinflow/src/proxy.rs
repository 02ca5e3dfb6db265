//! Proxies of the environment: what is on this machine is never asked for through one.

use std::env;
use std::io;

/// Variables that name a proxy to the HTTP clients of all commands.
const PROXIES: [&str; 6] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
];
/// The variable that lists what needs no proxy, in both spellings.
const EXCEPTIONS: [&str; 2] = ["no_proxy", "NO_PROXY"];
/// The names of this machine.
const LOOPBACK: &str = "127.0.0.1,localhost,::1";

/// Returns the list of exceptions to go on with, when there is a proxy and the list leaves out this machine.
fn missing_exceptions(get: impl Fn(&str) -> Option<String>) -> Option<String> {
    let is_set = |name: &str| get(name).is_some_and(|value| !value.is_empty());
    if !PROXIES.iter().any(|name| is_set(name)) {
        return None;
    }
    let listed = EXCEPTIONS.iter().find_map(|name| get(name));
    let listed = listed.unwrap_or_default();
    if listed.ends_with(LOOPBACK) {
        return None;
    }
    let separator = if listed.is_empty() { "" } else { "," };
    Some(format!("{listed}{separator}{LOOPBACK}"))
}

/// Starts the program again in this process where its environment would send requests to this machine to a proxy.
///
/// The clients of the API, of S3 and of Kinesis read the environment by themselves, and a process cannot change its own
/// safely. `get` reads a variable. Returns when there is nothing to change, or with the error of the start.
pub fn keep_loopback_direct(get: impl Fn(&str) -> Option<String>) -> io::Result<()> {
    missing_exceptions(get).map_or(Ok(()), |exceptions| start_again(&exceptions))
}

#[cfg(unix)]
fn start_again(exceptions: &str) -> io::Result<()> {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    let mut command = Command::new(env::current_exe()?);
    command.args(env::args_os().skip(1));
    for name in EXCEPTIONS {
        command.env(name, exceptions);
    }
    Err(command.exec())
}

#[cfg(not(unix))]
fn start_again(_exceptions: &str) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(variables: &[(&str, &str)]) -> Option<String> {
        missing_exceptions(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn this_machine_is_an_exception_of_every_proxy() {
        let proxy = ("HTTPS_PROXY", "http://proxy:3128");
        assert_eq!(missing(&[]), None);
        assert_eq!(missing(&[("http_proxy", "")]), None);
        assert_eq!(missing(&[proxy]).as_deref(), Some(LOOPBACK));
        let listed = missing(&[proxy, ("NO_PROXY", ".corp")]).unwrap();
        assert_eq!(listed, ".corp,127.0.0.1,localhost,::1");
        // The second start finds nothing to do.
        assert_eq!(missing(&[proxy, ("no_proxy", &listed)]), None);
    }
}
