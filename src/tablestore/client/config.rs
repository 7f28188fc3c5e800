//! Holds and checks the settings of a client.

use std::fmt;
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderValue;

use super::error::ClientError;
use super::retry::RetryPolicy;

/// The settings of a client: where the server is, and who calls.
#[derive(Clone)]
pub struct ClientConfig {
    /// `http://host:port` or `https://host:port`; the port may be left out.
    pub endpoint: String,
    /// The name of the instance.
    pub instance: String,
    /// The id of the access key.
    pub key_id: String,
    /// The secret of the access key. It is never sent or printed.
    pub secret: String,
    /// The region. With one, calls are signed by version 4, else by version 2.
    pub region: Option<String>,
    /// The longest that one try may take, from connecting to the last byte of the answer.
    pub request_timeout: Duration,
    /// Which calls are tried again, and for how long.
    pub retry: RetryPolicy,
}

impl ClientConfig {
    /// Creates settings with the usual timeout and retries.
    pub fn new(
        endpoint: &str,
        instance: &str,
        key_id: &str,
        secret: &str,
        region: Option<&str>,
    ) -> ClientConfig {
        ClientConfig {
            endpoint: endpoint.to_owned(),
            instance: instance.to_owned(),
            key_id: key_id.to_owned(),
            secret: secret.to_owned(),
            region: region.map(str::to_owned),
            request_timeout: Duration::from_secs(30),
            retry: RetryPolicy::default(),
        }
    }

    /// Checks the settings and returns the endpoint without its final slash.
    ///
    /// # Errors
    /// Returns [`ClientError::Config`], which names the setting that is unusable.
    pub(super) fn check(&self) -> Result<Endpoint, ClientError> {
        let refused = |reason: String| Err(ClientError::Config(reason));
        for (what, value) in [
            ("instance name", Some(&self.instance)),
            ("access key id", Some(&self.key_id)),
            ("region", self.region.as_ref()),
        ] {
            let Some(value) = value else { continue };
            let plain = HeaderValue::from_str(value).is_ok_and(|value| value.to_str().is_ok());
            if value.is_empty() || !plain || value.trim() != value {
                return refused(format!(
                    "the {what} {value:?} is not one: it is made of printable ASCII characters"
                ));
            }
        }
        if self.secret.is_empty() {
            return refused("the access key's secret is empty".to_owned());
        }
        let endpoint = &self.endpoint;
        let base = endpoint.strip_suffix('/').unwrap_or(endpoint);
        let uri: Option<Uri> = base.parse().ok();
        let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?, uri)));
        let Some((scheme @ ("http" | "https"), authority, uri)) = parts else {
            return refused(format!(
                "the endpoint {endpoint:?} must be http://HOST:PORT or https://HOST:PORT"
            ));
        };
        let has_port = authority.as_str() != authority.host();
        let is_more = uri.path() != "/" || uri.query().is_some() || authority.as_str().contains('@');
        if is_more || authority.host().is_empty() || (has_port && authority.port_u16().is_none()) {
            return refused(format!("the endpoint {endpoint:?} must hold scheme, host and port only"));
        }
        Ok(Endpoint { base: base.to_owned(), is_tls: scheme == "https" })
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("endpoint", &self.endpoint)
            .field("instance", &self.instance)
            .field("key_id", &self.key_id)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// An endpoint that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The scheme, host and port. Paths are appended to it.
    pub(super) base: String,
    /// Whether the client connects through TLS.
    pub(super) is_tls: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(endpoint: &str) -> ClientConfig {
        ClientConfig::new(endpoint, "instance", "id", "top-secret", Some("region"))
    }

    #[test]
    fn endpoints_are_a_scheme_a_host_and_a_port() {
        for (endpoint, base, is_tls) in [
            ("http://127.0.0.1:8087", "http://127.0.0.1:8087", false),
            ("http://[::1]:8087/", "http://[::1]:8087", false),
            ("https://shop.cn-hangzhou.ots.aliyuncs.com", "https://shop.cn-hangzhou.ots.aliyuncs.com", true),
        ] {
            assert_eq!(config(endpoint).check(), Ok(Endpoint { base: base.to_owned(), is_tls }));
        }
        for endpoint in [
            "",
            "127.0.0.1:8087",
            "localhost",
            "ftp://host",
            "http://",
            "http://host/prefix",
            "http://host?query",
            "http://me@host",
            "http://host:port",
            "http://two words",
        ] {
            let error = config(endpoint).check().expect_err(endpoint).to_string();
            assert!(error.starts_with(&format!("the endpoint {endpoint:?} must ")), "{error}");
        }
    }

    #[test]
    fn names_that_no_header_takes_are_refused() {
        for wrong in ["", "a\nb", "späti", " a"] {
            let of_instance = ClientConfig { instance: wrong.to_owned(), ..config("http://host") };
            let of_key = ClientConfig { key_id: wrong.to_owned(), ..config("http://host") };
            let of_region = ClientConfig { region: Some(wrong.to_owned()), ..config("http://host") };
            for (config, what) in
                [(of_instance, "instance name"), (of_key, "access key id"), (of_region, "region")]
            {
                let error = config.check().expect_err(wrong).to_string();
                assert!(error.starts_with(&format!("the {what} {wrong:?} is not one")), "{error}");
            }
        }
    }

    #[test]
    fn the_secret_is_not_printed() {
        assert!(!format!("{:?}", config("http://host")).contains("top-secret"));
    }
}
