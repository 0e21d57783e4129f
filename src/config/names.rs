//! By which names clients may call this server, and which foreign pages may read from it.
//!
//! Called by [`super::Config`] at the start. What it gives is in lower case; `server` compares.

use super::complaint;
use crate::error::StartupError;
use crate::origin::host_name;

/// Which foreign pages may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowOrigins {
    /// These, lower case, without a trailing slash.
    Listed(Vec<String>),
    /// All.
    Any,
}

/// A host name without a port; a port that was typed is ignored, as it is in requests.
pub(super) fn parse_host(text: &str) -> Result<String, StartupError> {
    let host = text.trim().to_ascii_lowercase();
    let name =
        host_name(&host).ok_or_else(|| complaint("--allow-host", text, "it must be a host name or an address"))?;
    Ok(name.to_owned())
}

pub(super) fn parse_origins(origins: &[String]) -> Result<AllowOrigins, StartupError> {
    if origins.iter().any(|origin| origin.trim() == "*") {
        return Ok(AllowOrigins::Any);
    }
    let parse = |text: &String| {
        let origin = text.trim().trim_end_matches('/').to_ascii_lowercase();
        let scheme = origin.split_once("://").filter(|(scheme, host)| {
            matches!(*scheme, "http" | "https") && !host.is_empty() && !host.contains(['/', '?', '#', '@'])
        });
        scheme.map(|_| origin.clone()).ok_or_else(|| {
            complaint("--allow-origin", text, "it must be an origin such as https://dash.example.com, or *")
        })
    };
    Ok(AllowOrigins::Listed(origins.iter().map(parse).collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_star_allows_every_origin() {
        assert_eq!(parse_origins(&["*".to_owned()]).unwrap(), AllowOrigins::Any);
        let listed = parse_origins(&["HTTPS://Dash.Example.com/".to_owned()]).unwrap();
        assert_eq!(listed, AllowOrigins::Listed(vec!["https://dash.example.com".into()]));
    }
}
